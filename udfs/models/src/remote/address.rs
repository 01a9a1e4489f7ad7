//! Which API an address speaks, and where in it requests go.

use url::Url;

use super::Api;
use crate::error::{Error, Result};

/// The address of a server, or what is wrong with it. Never repeats the address: a part of it may be
/// a secret.
pub(super) fn parse(url: &str) -> Result<Url> {
    let parsed = Url::parse(url.trim()).ok().filter(|url| url.has_host());
    let Some(url) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return Err(Error::Argument(
            "the address of a remote model begins with 'https://' or 'http://' and a host, such as \
             'https://api-atlas.nomic.ai'"
                .into(),
        ));
    };
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Error::Argument(format!(
            "the address of the remote model at {} holds a user or a password; put the key into an \
             environment variable and name that variable",
            host(&url)
        )));
    }
    Ok(url)
}

/// Host and port: all of an address that is ever shown.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether the server is this machine.
pub(super) fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The API that an address belongs to.
pub(super) fn recognise(url: &Url) -> Result<Api> {
    let path = path(url);
    if url.host_str() == Some("api-atlas.nomic.ai") || path.ends_with("/v1/embedding/text") {
        Ok(Api::Nomic)
    } else if path.ends_with("/v1/embeddings") || path.ends_with("/v1") {
        Ok(Api::OpenAi)
    } else if path.ends_with("/api/embed") {
        Ok(Api::Ollama)
    } else if path.ends_with("/embed") {
        Ok(Api::TextEmbeddingsInference)
    } else {
        Err(Error::Argument(format!(
            "the address of the remote model at {} does not tell which API it is: end it in \
             '/v1/embedding/text' (Nomic), '/v1/embeddings' (OpenAI), '/embed' \
             (text-embeddings-inference) or '/api/embed' (Ollama), or name the API",
            host(url)
        )))
    }
}

/// Where requests for texts go: the address itself if it ends so, else what it lacks of it is added.
pub(super) fn texts(api: Api, url: &Url) -> Url {
    match api {
        Api::Nomic => ending_in(url, "/v1/embedding/text"),
        // Some gateways have no version in their paths.
        Api::OpenAi if path(url).ends_with("/embeddings") => url.clone(),
        Api::OpenAi => ending_in(url, "/v1/embeddings"),
        Api::TextEmbeddingsInference => ending_in(url, "/embed"),
        Api::Ollama => ending_in(url, "/api/embed"),
    }
}

/// Where Nomic's API takes images.
pub(super) fn images(texts: &Url) -> Url {
    let mut url = texts.clone();
    let path = path(texts);
    url.set_path(&format!("{}/image", path.strip_suffix("/text").unwrap_or(path)));
    url
}

/// Where a model that writes is asked.
pub(super) fn chat(url: &Url) -> Url {
    match path(url).ends_with("/chat/completions") {
        true => url.clone(),
        false => ending_in(url, "/v1/chat/completions"),
    }
}

fn ending_in(url: &Url, ending: &str) -> Url {
    let path = path(url);
    let there = ending
        .match_indices('/')
        .map(|(slash, _)| ending.split_at(slash).0)
        .chain([ending])
        .filter(|beginning| path.ends_with(beginning))
        .map(str::len)
        .max()
        .unwrap_or(0);
    let mut whole = url.clone();
    whole.set_path(&format!("{path}{}", ending.split_at(there).1));
    whole
}

fn path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_writes_is_asked_below_the_version() {
        for (address, goes_to) in [
            ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:11434/v1/", "http://localhost:11434/v1/chat/completions"),
            ("https://a.b/x/chat/completions", "https://a.b/x/chat/completions"),
        ] {
            assert_eq!(chat(&parse(address).unwrap()).as_str(), goes_to);
        }
    }

    #[test]
    fn an_address_tells_its_api_and_where_requests_go() {
        for (address, api, goes_to) in [
            (
                "https://api-atlas.nomic.ai",
                Api::Nomic,
                "https://api-atlas.nomic.ai/v1/embedding/text",
            ),
            (
                "https://api-atlas.nomic.ai/",
                Api::Nomic,
                "https://api-atlas.nomic.ai/v1/embedding/text",
            ),
            (
                "https://api-atlas.nomic.ai/v1",
                Api::Nomic,
                "https://api-atlas.nomic.ai/v1/embedding/text",
            ),
            ("http://proxy/n/v1/embedding/text", Api::Nomic, "http://proxy/n/v1/embedding/text"),
            ("https://api.openai.com/v1", Api::OpenAi, "https://api.openai.com/v1/embeddings"),
            ("https://api.openai.com/v1/", Api::OpenAi, "https://api.openai.com/v1/embeddings"),
            ("http://h:1/v1/embeddings?v=2", Api::OpenAi, "http://h:1/v1/embeddings?v=2"),
            ("http://h:8080/embed", Api::TextEmbeddingsInference, "http://h:8080/embed"),
            ("http://h:11434/api/embed/", Api::Ollama, "http://h:11434/api/embed"),
        ] {
            let url = parse(address).unwrap();
            assert_eq!(recognise(&url).unwrap(), api, "{address}");
            assert_eq!(texts(api, &url).as_str(), goes_to, "{address}");
        }
    }

    #[test]
    fn a_named_api_needs_no_more_than_the_host() {
        for (api, address, goes_to) in [
            (Api::Nomic, "http://h", "http://h/v1/embedding/text"),
            (Api::OpenAi, "http://h/openai", "http://h/openai/v1/embeddings"),
            (Api::OpenAi, "http://h/x/embeddings?v=1", "http://h/x/embeddings?v=1"),
            (Api::TextEmbeddingsInference, "http://h/", "http://h/embed"),
            (Api::Ollama, "http://h:11434", "http://h:11434/api/embed"),
            (Api::Ollama, "http://h/api", "http://h/api/embed"),
        ] {
            assert_eq!(texts(api, &parse(address).unwrap()).as_str(), goes_to);
        }
        let url = texts(Api::Nomic, &parse("http://h/n?x=y").unwrap());
        assert_eq!(images(&url).as_str(), "http://h/n/v1/embedding/image?x=y");
    }

    #[test]
    fn an_address_that_tells_nothing_names_the_four_forms() {
        let said =
            recognise(&parse("http://h:11434/x?key=secret").unwrap()).unwrap_err().to_string();
        for form in
            ["h:11434", "'/v1/embedding/text'", "'/v1/embeddings'", "'/embed'", "'/api/embed'"]
        {
            assert!(said.contains(form), "{said}");
        }
        assert!(!said.contains("secret"));
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for address in
            ["", "nomic", "ftp://h/embed", "sk-secret", "http://user:secret@h/embed", "http://"]
        {
            let said = parse(address).unwrap_err().to_string();
            assert!(said.contains("address") && !said.contains("secret"), "{said}");
        }
    }
}
