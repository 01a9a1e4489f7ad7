//! Asking a model that writes, by OpenAI's `/v1/chat/completions`, which most servers of such models
//! speak.

use futures::stream::{self, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::answer::parse;
use super::client::{Client, Failure};
use super::protocol::Verdict;
use super::{RemoteOptions, address, openai};
use crate::error::Result;

/// Requests at once, where nothing else is said.
const CONCURRENT: usize = 4;
/// The most bytes of an answer: what is asked for are a few lines.
const MOST: usize = 1 << 20;

/// A model on a server. Make one and keep it: limits hold for all its requests together.
pub struct Chat {
    client: Client,
    url: Url,
    model: String,
    concurrent: usize,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Response {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

impl Chat {
    /// Connects to nothing yet. `variable` looks up an environment variable: the key is read here,
    /// once.
    pub fn new(options: RemoteOptions, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let url = address::parse(&options.url)?;
        let concurrent = options.concurrency.unwrap_or(CONCURRENT).clamp(1, 1000);
        let model = options.model.clone();
        let client = Client::new(options, &url, &openai::OpenAi, concurrent, variable)?;
        Ok(Self { client, url: address::chat(&url), model, concurrent })
    }

    /// What the model says to something that it is given, and told what to do with. It is asked to say
    /// the same again the next time, where it knows how to.
    pub async fn answer(&self, task: &str, given: &str) -> Result<String> {
        let said = match self.ask(task, given, Some(0.0)).await {
            // Models that think first have one temperature only, and refuse to be told another.
            Err(failure)
                if failure.verdict == Verdict::Refused
                    && failure.reason.contains("temperature") =>
            {
                self.ask(task, given, None).await
            }
            said => said,
        };
        said.map_err(|failure| self.client.error(failure.reason))
    }

    /// What it says to several things, in their order; the last answer is the first that failed.
    pub async fn answers(&self, task: &str, given: &[String]) -> Vec<Result<String>> {
        let asked: Vec<_> = given.iter().map(|given| self.answer(task, given)).collect();
        let mut asked = stream::iter(asked).buffered(self.concurrent);
        let mut answers = Vec::with_capacity(given.len());
        while let Some(answer) = asked.next().await {
            let failed = answer.is_err();
            answers.push(answer);
            if failed {
                break;
            }
        }
        answers
    }

    async fn ask(
        &self,
        task: &str,
        given: &str,
        temperature: Option<f32>,
    ) -> Result<String, Failure> {
        let messages =
            [Message { role: "system", content: task }, Message { role: "user", content: given }];
        let request = Request { model: &self.model, messages, temperature };
        let body = serde_json::to_vec(&request)
            .map_err(|error| Failure::fatal(format!("cannot be asked this ({error})")))?;
        let body = bytes::Bytes::from(body);
        let fill = |request: reqwest::RequestBuilder| {
            let json = HeaderValue::from_static("application/json");
            request.header(CONTENT_TYPE, json).body(body.clone())
        };
        let answer = self.client.post(&self.url, fill, MOST).await?;
        let response: Response = parse(&answer).map_err(Failure::fatal)?;
        let said = response.choices.into_iter().next().and_then(|choice| choice.message.content);
        said.ok_or_else(|| Failure::fatal("sent an answer without a word"))
    }

    /// Host and port of the server, for messages.
    pub fn host(&self) -> &str {
        self.client.host()
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("host", &self.host()).field("model", &self.model).finish()
    }
}
