//! NumPy files of f32 rows.

use std::path::Path;

/// The numbers of a file under `fixtures` and the length of its rows.
pub fn read(name: &str) -> (Vec<f32>, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/fixtures").join(name);
    let bytes = std::fs::read(path).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let width = shape.split(',').nth(1).unwrap().trim().parse().unwrap();
    let (values, _) = bytes[10 + length..].as_chunks::<4>();
    (values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(), width)
}
