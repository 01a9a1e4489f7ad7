//! read_images, read_text, read_npy.

use super::folder::Folder;

/// A PNG's header, all that its size needs.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    png
}

/// A JPEG's header with an EXIF date.
fn jpeg(width: u16, height: u16, date: &str) -> Vec<u8> {
    // A little-endian TIFF with one directory of one entry: DateTime, 20 ASCII bytes at offset 26.
    let mut exif =
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\x14\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    exif.extend(date.as_bytes());
    exif.push(0);
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe1];
    jpeg.extend((exif.len() as u16 + 2).to_be_bytes());
    jpeg.extend(exif);
    jpeg.extend([0xff, 0xc0, 0, 17, 8]);
    jpeg.extend(height.to_be_bytes());
    jpeg.extend(width.to_be_bytes());
    jpeg.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9]);
    jpeg
}

#[tokio::test]
async fn images_tell_their_size_format_and_date() {
    let folder = Folder::new().await;
    folder.write("a/one.png", png(640, 480));
    folder.write("b/c/two.jpg", jpeg(32, 16, "2024:05:01 10:20:30"));
    folder.write("b/broken.jpg", "this is no picture");
    folder.write("b/notes.txt", "left out of a folder");
    assert_eq!(
        folder
            .rows("SELECT replace(path, '@', ''), width, height, format, exif_date FROM read_images('@') ORDER BY 1")
            .await,
        [
            "a/one.png|640|480|png|",
            "b/broken.jpg||||",
            "b/c/two.jpg|32|16|jpeg|2024-05-01T10:20:30",
        ]
    );
    assert_eq!(
        folder.rows("SELECT length(encode(bytes, 'hex')) / 2 FROM read_images('@**/one.*')").await,
        [png(1, 1).len().to_string()]
    );
    assert_eq!(folder.rows("SELECT count(*) FROM read_images('@**/*.jpg')").await, ["2"]);
    assert_eq!(folder.rows("SELECT path FROM read_images('@') LIMIT 1").await.len(), 1);
}

#[tokio::test]
async fn many_files_come_in_many_batches() {
    let folder = Folder::new().await;
    for n in 0..150 {
        folder.write(&format!("{n:03}.txt"), format!("file {n}"));
    }
    assert_eq!(
        folder
            .rows("SELECT count(*), min(content), max(content), sum(size) FROM read_text('@*.txt')")
            .await,
        [format!("150|file 0|file 99|{}", 5 * 150 + 10 + 90 * 2 + 50 * 3)]
    );
    assert_eq!(
        folder.rows("SELECT content FROM read_text('@*') WHERE path LIKE '%/042.txt'").await,
        ["file 42"]
    );
}

#[tokio::test]
async fn a_relative_path_stays_one() {
    let folder = Folder::new().await;
    assert_eq!(folder.rows("SELECT path FROM read_text('Cargo.toml')").await, ["Cargo.toml"]);
    assert_eq!(
        folder.rows("SELECT path FROM read_text('./tests/stores/re*.rs')").await,
        ["tests/stores/readers.rs"]
    );
}

#[tokio::test]
async fn text_that_is_none_is_named() {
    let folder = Folder::new().await;
    folder.write("a.md", "\u{feff}# Title");
    folder.write("b.md", b"caf\xe9");
    assert_eq!(folder.rows("SELECT content FROM read_text('@a.md')").await, ["# Title"]);
    assert_eq!(
        folder.rows("SELECT modified > TIMESTAMP '2020-01-01' FROM read_text('@b.md')").await,
        ["true"]
    );
    let said = folder.error("SELECT content FROM read_text('@*.md')").await;
    assert!(said.contains("b.md' is not UTF-8 text (byte 3)"), "{said}");
}

fn npy(dtype: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(data);
    npy
}

#[tokio::test]
async fn arrays_become_vectors_and_values() {
    let folder = Folder::new().await;
    let f4: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let f8_big: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let i2: Vec<u8> = [7i16, -8].iter().flat_map(|x| x.to_le_bytes()).collect();
    folder.write("f4.npy", npy("<f4", false, "(2, 2)", &f4));
    folder.write("f8.npy", npy(">f8", false, "(1, 2)", &f8_big));
    folder.write("half.npy", npy("<f2", false, "(1, 2)", &[0x00, 0x3c, 0x00, 0xc0]));
    folder.write("u1.npy", npy("|u1", false, "(1, 3)", &[1, 2, 255]));
    folder.write("i2.npy", npy("<i2", false, "(2,)", &i2));
    folder.write("b1.npy", npy("|b1", false, "(2,)", &[0, 1]));
    assert_eq!(folder.rows("SELECT vector FROM '@f4.npy'").await, ["[1.0, 2.0]", "[3.0, 4.0]"]);
    assert_eq!(folder.rows("SELECT vector FROM read_npy('@f8.npy')").await, ["[1.5, -2.0]"]);
    assert_eq!(folder.rows("SELECT vector FROM read_npy('@half.npy')").await, ["[1.0, -2.0]"]);
    assert_eq!(folder.rows("SELECT vector FROM '@u1.npy'").await, ["[1.0, 2.0, 255.0]"]);
    assert_eq!(
        folder.rows("SELECT value, arrow_typeof(value) FROM '@i2.npy'").await,
        ["7|Int16", "-8|Int16"]
    );
    assert_eq!(folder.rows("SELECT value FROM '@b1.npy'").await, ["false", "true"]);
    assert_eq!(folder.rows("SELECT count(*) FROM '@f4.npy'").await, ["2"]);
    assert_eq!(
        folder.rows("SELECT arrow_typeof(vector) FROM '@f4.npy' LIMIT 1").await,
        ["FixedSizeList(2 x Float32)"]
    );
}

#[tokio::test]
async fn a_large_array_is_cut_into_batches() {
    let folder = Folder::new().await;
    let rows = 20_000u32;
    let data: Vec<u8> = (0..rows).flat_map(|n| (n as f32).to_le_bytes()).collect();
    folder.write("x.npy", npy("<f4", false, &format!("({rows}, 1)"), &data));
    assert_eq!(
        folder.rows("SELECT count(*), sum(vector[1]) FROM '@x.npy'").await,
        ["20000|199990000.0"]
    );
    assert_eq!(
        folder.rows("SELECT count(*) FROM (SELECT * FROM '@x.npy' LIMIT 9000)").await,
        ["9000"]
    );
}

#[tokio::test]
async fn arrays_that_cannot_be_read_say_why() {
    let folder = Folder::new().await;
    folder.write("column.npy", npy("<f4", true, "(2, 2)", &[0; 16]));
    folder.write("cube.npy", npy("<f4", false, "(1, 2, 2)", &[0; 16]));
    folder.write("text.npy", npy("<U4", false, "(1,)", &[0; 16]));
    folder.write("short.npy", npy("<f4", false, "(4, 2)", &[0; 16]));
    folder.write("none.npy", "no array at all");
    for (name, expected) in [
        ("column.npy", "ascontiguousarray"),
        ("cube.npy", "3 dimensions"),
        ("text.npy", "not numbers"),
        ("short.npy", "too early"),
        ("none.npy", "it is no NumPy array"),
    ] {
        let said = folder.error(&format!("SELECT * FROM '@{name}'")).await;
        assert!(said.contains(expected) && said.contains(name), "{name}: {said}");
    }
}
