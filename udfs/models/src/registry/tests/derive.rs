use super::*;
use crate::manifest::{Pooling, Prefixes};
use crate::registry::derive::derive;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const MODULES: &str = "modules.json";
const SENTENCE_BERT: &str = "sentence_bert_config.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn of(files: &[(&str, &str)]) -> Manifest {
    derive("mine", folder(files).path()).unwrap()
}

fn error(files: &[(&str, &str)]) -> String {
    derive("mine", folder(files).path()).unwrap_err().to_string()
}

const BERT: (&str, &str) =
    (CONFIG, r#"{"model_type": "bert", "hidden_size": 384, "max_position_embeddings": 512}"#);
const POOLED: (&str, &str) = (
    MODULES,
    r#"[{"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}]"#,
);
const CLS: (&str, &str) = (
    "1_Pooling/config.json",
    r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
);

#[test]
fn a_sentence_encoder_says_how_it_is_used() {
    let manifest = of(&[
        BERT,
        POOLED,
        CLS,
        (WEIGHTS, ""),
        (TOKENIZER, ""),
        (TOKENIZER_CONFIG, r#"{"model_max_length": 1000000000000000019884624838656}"#),
        (SENTENCE_BERT, r#"{"max_seq_length": 256}"#),
        (PROMPTS, r#"{"prompts": {"query": "q: ", "passage": "p: ", "Clustering": "c: "}}"#),
    ]);
    assert_eq!(manifest.architecture, Architecture::Bert);
    assert_eq!(manifest.modality, Modality::Text);
    assert_eq!((manifest.dims, manifest.min_dims), (384, 384));
    let text = manifest.text.unwrap();
    assert_eq!((text.pooling, text.max_tokens), (Pooling::First, 256));
    let prefixes = text.prefixes;
    assert_eq!((prefixes.search_query.as_str(), prefixes.search_document.as_str()), ("q: ", "p: "));
    assert_eq!((prefixes.clustering.as_str(), prefixes.classification.as_str()), ("c: ", ""));
    let names: Vec<_> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    let expected = [
        CONFIG,
        WEIGHTS,
        TOKENIZER,
        TOKENIZER_CONFIG,
        SENTENCE_BERT,
        MODULES,
        "1_Pooling/config.json",
        PROMPTS,
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_bare_encoder_is_averaged_as_far_as_its_positions_go() {
    let text = of(&[BERT, (WEIGHTS, ""), (TOKENIZER, "")]).text.unwrap();
    assert_eq!((text.pooling, text.max_tokens), (Pooling::Mean, 512));
    assert_eq!(text.prefixes, Prefixes::default());

    let limited = (TOKENIZER_CONFIG, r#"{"model_max_length": 128}"#);
    let text = of(&[BERT, (WEIGHTS, ""), (TOKENIZER, ""), limited]).text.unwrap();
    assert_eq!(text.max_tokens, 128);

    let xlm = r#"{"model_type": "xlm-roberta", "hidden_size": 768,
                  "max_position_embeddings": 514, "pad_token_id": 1}"#;
    let manifest = of(&[(CONFIG, xlm), (WEIGHTS, ""), (TOKENIZER, "")]);
    assert_eq!(manifest.architecture, Architecture::XlmRoberta);
    assert_eq!(manifest.text.unwrap().max_tokens, 512);
}

#[test]
fn nomic_is_read_in_both_dialects() {
    let old = r#"{"model_type": "nomic_bert", "n_embd": 768, "n_positions": 8192,
                  "max_trained_positions": 2048}"#;
    let new = r#"{"model_type": "nomic_bert", "hidden_size": 768,
                  "max_position_embeddings": 2048}"#;
    for config in [old, new] {
        let manifest = of(&[(CONFIG, config), (WEIGHTS, ""), (TOKENIZER, "")]);
        assert_eq!(manifest.architecture, Architecture::NomicBert);
        assert_eq!((manifest.dims, manifest.text.unwrap().max_tokens), (768, 2048));
    }
    let vision = r#"{"model_type": "nomic_bert", "img_size": 224, "n_embd": 768}"#;
    let manifest = of(&[(CONFIG, vision), (WEIGHTS, "")]);
    assert_eq!(manifest.architecture, Architecture::NomicVision);
    assert_eq!((manifest.modality, manifest.text), (Modality::Image, None));

    let experts = r#"{"model_type": "nomic_bert", "n_embd": 768, "n_positions": 2048,
                      "num_experts": 8, "moe_top_k": 2, "moe_every_n_layers": 2}"#;
    let manifest = of(&[(CONFIG, experts), (WEIGHTS, ""), (TOKENIZER, "")]);
    assert_eq!(manifest.architecture, Architecture::NomicBert);
}

#[test]
fn pairs_leave_out_what_goes_without_saying() {
    let clip = r#"{"model_type": "clip", "projection_dim": 512}"#;
    let manifest = of(&[(CONFIG, clip), (WEIGHTS, ""), (TOKENIZER, "")]);
    assert_eq!((manifest.dims, manifest.modality), (512, Modality::Both));
    let text = manifest.text.unwrap();
    assert_eq!((text.pooling, text.max_tokens), (Pooling::EndOfText, 77));

    let siglip = r#"{"model_type": "siglip", "text_config": {}, "vision_config": {}}"#;
    let manifest = of(&[(CONFIG, siglip), (WEIGHTS, ""), (TOKENIZER, "")]);
    assert_eq!((manifest.architecture, manifest.dims), (Architecture::Siglip, 768));
    let text = manifest.text.unwrap();
    assert_eq!((text.pooling, text.max_tokens), (Pooling::Last, 64));

    let large = r#"{"model_type": "siglip", "vision_config": {"hidden_size": 1152}}"#;
    assert_eq!(of(&[(CONFIG, large), (WEIGHTS, ""), (TOKENIZER, "")]).dims, 1152);
}

#[test]
fn one_file_is_enough_for_efficientnet() {
    let manifest = of(&[("efficientnet-lite0-57934424.pth", "")]);
    assert_eq!(manifest.architecture, Architecture::EfficientNetLite0);
    assert_eq!((manifest.dims, manifest.modality), (1280, Modality::Image));
    assert_eq!(manifest.weights().unwrap().name, "efficientnet-lite0-57934424.pth");
    assert!(error(&[("weights.pth", "")]).contains("has no config.json"));
}

#[test]
fn what_is_missing_or_not_supported_is_named() {
    let gpt = r#"{"model_type": "mpnet", "architectures": ["MPNetModel"]}"#;
    let message = error(&[(CONFIG, gpt)]);
    assert!(message.contains("'mpnet' (MPNetModel), which is not supported"), "{message}");
    assert!(message.contains("BERT, NomicBert, XLM-RoBERTa"), "{message}");

    assert!(error(&[BERT]).contains("has no weights (model.safetensors)"));
    assert!(error(&[BERT, ("pytorch_model.bin", "")]).contains("save it as safetensors"));
    assert!(error(&[BERT, (WEIGHTS, "")]).contains("has no tokenizer.json"));
    assert!(error(&[(CONFIG, r#"{"model_type": "bert"}"#)]).contains("max_position_embeddings"));
    assert!(error(&[(CONFIG, "{")]).contains("is not JSON"));
    let files = [BERT, POOLED, (WEIGHTS, ""), (TOKENIZER, "")];
    assert!(error(&files).contains("has no 1_Pooling/config.json"));

    let dense = (MODULES, r#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#);
    let message = error(&[BERT, dense, (WEIGHTS, ""), (TOKENIZER, "")]);
    assert!(message.contains("module Dense, which is not supported"), "{message}");

    let weighted = ("1_Pooling/config.json", r#"{"pooling_mode_weightedmean_tokens": true}"#);
    let message = error(&[BERT, POOLED, weighted, (WEIGHTS, ""), (TOKENIZER, "")]);
    assert!(message.contains("'weightedmean_tokens', which is not supported"), "{message}");

    let message = derive("mine", Path::new("/no/such/folder")).unwrap_err().to_string();
    assert!(message.contains("is not a folder"), "{message}");
}
