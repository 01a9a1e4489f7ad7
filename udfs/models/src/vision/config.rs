//! `config.json` and `preprocessor_config.json` of CLIP and SigLIP, as the transformers library
//! writes them: keys that it leaves out have the values of the model's kind.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::image::{Fit, Layout, Preprocessing};

/// What lies between the two layers of a feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Activation {
    /// By the error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// By tanh.
    #[serde(rename = "gelu_pytorch_tanh")]
    GeluTanh,
    /// By the logistic function.
    #[serde(rename = "quick_gelu")]
    QuickGelu,
}

/// The shape of a tower.
#[derive(Debug, Clone, PartialEq)]
pub struct Tower {
    pub width: usize,
    pub inner: usize,
    pub heads: usize,
    pub layers: usize,
    pub activation: Activation,
    pub epsilon: f32,
}

/// The shape of a tower for images.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageTower {
    pub tower: Tower,
    pub image_size: usize,
    pub patch_size: usize,
}

/// The shape of a tower for texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TextShape {
    pub tower: Tower,
    pub vocabulary: usize,
    pub positions: usize,
    /// The token that ends a text, where the file names one.
    pub end: Option<u32>,
    /// The token that fills a text up, where the file names one.
    pub padding: Option<u32>,
}

/// Both towers, and the length of the vectors that they are projected to, if they are.
#[derive(Debug, Clone, PartialEq)]
pub struct TowersConfig {
    /// Whether it is CLIP; SigLIP otherwise.
    pub clip: bool,
    pub image: ImageTower,
    pub text: TextShape,
    pub projection: usize,
}

/// The keys of a tower; those that are not there have the kind's values.
#[derive(Debug, Clone, Default, Deserialize)]
struct Keys {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_attention_heads: Option<usize>,
    num_hidden_layers: Option<usize>,
    hidden_act: Option<Activation>,
    layer_norm_eps: Option<f32>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<u32>,
    pad_token_id: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct File {
    model_type: String,
    #[serde(default)]
    vision_config: Keys,
    #[serde(default)]
    text_config: Keys,
    projection_dim: Option<usize>,
}

impl TowersConfig {
    /// Reads `config.json` of a model of this kind.
    pub fn read(path: &Path, kind: &str) -> Result<Self> {
        let file: File = json(path)?;
        if file.model_type != kind {
            let reason = format!("is of model_type '{}', not '{kind}'", file.model_type);
            return Err(Error::file(path, reason));
        }
        Self::from_file(&file).map_err(|reason| Error::file(path, reason))
    }

    fn from_file(file: &File) -> Result<Self, String> {
        let clip = file.model_type == "clip";
        let base = Tower {
            width: 768,
            inner: 3072,
            heads: 12,
            layers: 12,
            activation: if clip { Activation::QuickGelu } else { Activation::GeluTanh },
            epsilon: if clip { 1e-5 } else { 1e-6 },
        };
        let narrow = Tower { width: 512, inner: 2048, heads: 8, ..base.clone() };
        let (vision, text) = (&file.vision_config, &file.text_config);
        let config = Self {
            clip,
            image: ImageTower {
                tower: vision.tower(&base)?,
                image_size: vision.image_size.unwrap_or(224),
                patch_size: vision.patch_size.unwrap_or(if clip { 32 } else { 16 }),
            },
            text: TextShape {
                tower: text.tower(if clip { &narrow } else { &base })?,
                vocabulary: text.vocab_size.unwrap_or(if clip { 49408 } else { 32000 }),
                positions: text.max_position_embeddings.unwrap_or(if clip { 77 } else { 64 }),
                end: text.eos_token_id,
                padding: text.pad_token_id,
            },
            projection: file.projection_dim.unwrap_or(512),
        };
        let (size, patch) = (config.image.image_size, config.image.patch_size);
        if patch == 0 || size == 0 || size > 1 << 14 || !size.is_multiple_of(patch) {
            return Err(format!("cuts images of {size} pixels into patches of {patch}"));
        }
        let text = &config.text;
        for (what, count) in [
            ("vocab_size", text.vocabulary),
            ("max_position_embeddings", text.positions),
            ("projection_dim", config.projection),
        ] {
            sensible(what, count)?;
        }
        Ok(config)
    }
}

impl Keys {
    fn tower(&self, kind: &Tower) -> Result<Tower, String> {
        let tower = Tower {
            width: self.hidden_size.unwrap_or(kind.width),
            inner: self.intermediate_size.unwrap_or(kind.inner),
            heads: self.num_attention_heads.unwrap_or(kind.heads),
            layers: self.num_hidden_layers.unwrap_or(kind.layers),
            activation: self.hidden_act.unwrap_or(kind.activation),
            epsilon: self.layer_norm_eps.unwrap_or(kind.epsilon),
        };
        for (what, count) in [
            ("hidden_size", tower.width),
            ("intermediate_size", tower.inner),
            ("num_attention_heads", tower.heads),
            ("num_hidden_layers", tower.layers),
        ] {
            sensible(what, count)?;
        }
        if !tower.width.is_multiple_of(tower.heads) {
            return Err(format!("has {} heads for a width of {}", tower.heads, tower.width));
        }
        Ok(tower)
    }
}

/// Sizes are multiplied with each other later.
fn sensible(what: &str, count: usize) -> Result<(), String> {
    if (1..1 << 24).contains(&count) { Ok(()) } else { Err(format!("has {what} = {count}")) }
}

/// What CLIP was trained with: what pictures have on average.
pub const CLIP_MEAN: [f32; 3] = [0.481_454_67, 0.457_827_5, 0.408_210_72];
/// How far pictures are from that.
pub const CLIP_STD: [f32; 3] = [0.268_629_55, 0.261_302_6, 0.275_777_1];

/// Reads `preprocessor_config.json`. Without the file, it is done as the kind of model does it.
pub fn preprocessing(folder: &Path, config: &TowersConfig) -> Result<Preprocessing> {
    let tower = &config.image;
    let path = folder.join("preprocessor_config.json");
    if path.exists() {
        let file: Value = json(&path)?;
        return from_preprocessor(&file, tower).map_err(|reason| Error::file(&path, reason));
    }
    let size = tower.image_size;
    let (fit, mean, std) = match config.clip {
        true => (Fit::ShortestEdge(size), CLIP_MEAN, CLIP_STD),
        false => (Fit::Squash, [0.5; 3], [0.5; 3]),
    };
    Ok(Preprocessing { size, fit, mean, std, layout: Layout::Patches(tower.patch_size) })
}

fn from_preprocessor(file: &Value, tower: &ImageTower) -> Result<Preprocessing, String> {
    let side = |key: &str, name: &str| {
        let value = file.get(key)?;
        value.as_u64().or_else(|| value.get(name)?.as_u64()).map(|side| side as usize)
    };
    let on = |key: &str| file.get(key).and_then(Value::as_bool).unwrap_or(true);
    for key in ["do_resize", "do_rescale", "do_normalize"] {
        if !on(key) {
            return Err(format!("has {key} = false; only true can be run"));
        }
    }
    // Pillow's number of the bicubic filter.
    if let Some(filter) = file.get("resample").and_then(Value::as_u64)
        && filter != 3
    {
        return Err(format!("has resample = {filter}; only 3 (bicubic) can be run"));
    }
    if let Some(factor) = file.get("rescale_factor").and_then(Value::as_f64)
        && (factor * 255.0 - 1.0).abs() > 1e-6
    {
        return Err(format!("has rescale_factor = {factor}; only 1/255 can be run"));
    }
    let size = tower.image_size;
    let squashed = file.get("size").is_some_and(|value| value.get("height").is_some());
    let (fit, made) = if squashed {
        (Fit::Squash, side("size", "height").unwrap_or_default())
    } else if on("do_center_crop") {
        let edge = side("size", "shortest_edge").ok_or("has no 'size'")?;
        (Fit::ShortestEdge(edge), side("crop_size", "height").unwrap_or(size).min(edge))
    } else {
        return Err("makes images that are not square".to_string());
    };
    if made != size {
        return Err(format!("makes images of {made} pixels for a network that takes {size}"));
    }
    let colors = |key: &str| {
        let values = file.get(key)?.as_array()?;
        let values: Vec<f32> = values.iter().filter_map(|v| Some(v.as_f64()? as f32)).collect();
        <[f32; 3]>::try_from(values).ok()
    };
    Ok(Preprocessing {
        size,
        fit,
        mean: colors("image_mean").ok_or("has no 'image_mean' of three colours")?,
        std: colors("image_std").ok_or("has no 'image_std' of three colours")?,
        layout: Layout::Patches(tower.patch_size),
    })
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::file(path, format!("is not what it should be: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(value: Value) -> Result<TowersConfig, String> {
        TowersConfig::from_file(&serde_json::from_value(value).map_err(|error| error.to_string())?)
    }

    fn processor(value: &Value) -> Result<Preprocessing, String> {
        let config = config(json!({"model_type": "clip"})).unwrap();
        from_preprocessor(value, &config.image)
    }

    #[test]
    fn what_a_file_leaves_out_is_the_kinds() {
        let clip = config(json!({"model_type": "clip"})).unwrap();
        assert_eq!((clip.image.tower.width, clip.image.patch_size), (768, 32));
        assert_eq!((clip.text.tower.width, clip.text.positions), (512, 77));
        assert_eq!(clip.image.tower.activation, Activation::QuickGelu);
        let siglip = config(json!({
            "model_type": "siglip",
            "vision_config": {"image_size": 384, "hidden_act": "gelu"}
        }))
        .unwrap();
        assert_eq!((siglip.image.image_size, siglip.text.positions), (384, 64));
        assert_eq!(siglip.image.tower.activation, Activation::Gelu);
        assert_eq!(siglip.text.tower.activation, Activation::GeluTanh);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let wrong = |value| config(value).unwrap_err();
        let heads = json!({"model_type": "clip", "text_config": {"num_attention_heads": 7}});
        assert!(wrong(heads).contains("7 heads for a width of 512"));
        let patches = json!({"model_type": "clip", "vision_config": {"patch_size": 15}});
        assert!(wrong(patches).contains("patches of 15"));
        let activation = json!({"model_type": "clip", "text_config": {"hidden_act": "relu"}});
        assert!(wrong(activation).contains("relu"));
        assert!(wrong(json!({"model_type": "clip", "projection_dim": 0})).contains("= 0"));
    }

    #[test]
    fn both_dialects_of_sizes_are_read() {
        let mut file = json!({
            "size": 224, "crop_size": 224, "do_center_crop": true, "resample": 3,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.25]
        });
        let old = processor(&file).unwrap();
        assert_eq!((old.fit, old.size), (Fit::ShortestEdge(224), 224));
        assert_eq!(old.std, [0.5, 0.5, 0.25]);
        file["size"] = json!({"shortest_edge": 256});
        file["crop_size"] = json!({"height": 224, "width": 224});
        assert_eq!(processor(&file).unwrap().fit, Fit::ShortestEdge(256));
        file["size"] = json!({"height": 224, "width": 224});
        assert_eq!(processor(&file).unwrap().fit, Fit::Squash);
        file["size"] = json!({"height": 256, "width": 256});
        assert!(processor(&file).unwrap_err().contains("images of 256 pixels"));
        file["size"] = json!(200);
        assert!(processor(&file).unwrap_err().contains("images of 200 pixels"));
        file["size"] = json!(224);
        file["resample"] = json!(2);
        assert!(processor(&file).unwrap_err().contains("resample = 2"));
    }
}
