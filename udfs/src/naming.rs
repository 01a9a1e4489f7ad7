//! Topics named by a model that writes, on the server that the session says. Their words name them
//! where none is said, and where the server has no good answer: a map is never late or lost for a name.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use datafusion_common::{Result, plan_err};
use portolan_kernels::labels::Label;
use portolan_kernels::topics::Topics;
use portolan_kernels::watch::Watch;
use portolan_models::remote::{Chat, RemoteOptions, block_on};

use crate::scalar::vectors::failure;
use crate::settings::Settings;
use crate::work::Work;

/// Topics that are named by one request: those beside each other, so that they can be told apart.
const TOGETHER: usize = 25;
/// Characters of the longest name.
const LONGEST: usize = 60;
/// Terms of a topic that the model is told.
const TERMS: usize = 10;
/// How often a server that is busy is asked again.
const RETRIES: u32 = 2;

const TASK: &str = "You name topics of a collection of texts, for the labels of a map. You are given \
    topics that lie beside each other, each with its number, the words that set it apart, and texts \
    that stand for it. Answer with a JSON array of strings and nothing else: one name for each topic, \
    in their order. A name has one to four words in the language of the texts, says what all of the \
    topic's texts are about, and is not the name of another one.";

/// Where names come from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Namer {
    url: String,
    model: String,
    key_env: Option<String>,
    timeout: Duration,
}

/// Topics that are named together.
struct Group {
    depth: usize,
    topics: Vec<usize>,
    asked: String,
}

impl Namer {
    /// That of a session; `None` where it wants no other names than words.
    pub fn of(function: &str, settings: &Settings) -> Result<Option<Self>> {
        let text = |name: &str| settings.get(name).map(str::to_string);
        let namer = match (text("naming_url"), text("naming_model")) {
            (None, _) => return Ok(None),
            (Some(_), None) => {
                return plan_err!(
                    "{function}: portolan.naming_url is set, and portolan.naming_model is not: which of that server's models is to name topics?"
                );
            }
            (Some(url), Some(model)) => {
                let seconds = text("naming_timeout").and_then(|seconds| seconds.parse().ok());
                let timeout = Duration::from_secs(seconds.unwrap_or(60));
                Self { url, model, key_env: text("naming_key_env"), timeout }
            }
        };
        // What cannot work is said before anything is computed.
        namer.chat()?;
        Ok(Some(namer))
    }

    fn chat(&self) -> Result<Chat> {
        let options = RemoteOptions {
            key_env: self.key_env.clone(),
            timeout: self.timeout,
            connect_timeout: self.timeout.min(Duration::from_secs(10)),
            retries: RETRIES,
            ..RemoteOptions::new(self.url.clone(), self.model.clone())
        };
        Chat::new(options, |name| std::env::var(name).ok()).map_err(failure)
    }

    /// Exchanges the short names of topics for better ones. Those of a depth are asked for when those
    /// above them have theirs. A server that does not answer is left alone from then on.
    pub fn name(&self, labels: &mut [Vec<Label>], topics: &Topics, work: &Work) {
        let Ok(chat) = self.chat() else { return };
        let chat = Arc::new(chat);
        let (mut kept, mut why) = (0, None);
        for depth in 0..labels.len().min(topics.depths.len()) {
            let groups = groups(labels, topics, depth);
            let answers = ask(&chat, groups, work);
            let silent = answers.iter().any(|(_, answer)| matches!(answer, Answer::None(_)));
            for (group, answer) in answers {
                let failed = match answer {
                    Answer::None(reason) => Some(reason),
                    Answer::Text(text) => match names(&text, group.topics.len()) {
                        Ok(names) => {
                            give(labels, &group, names);
                            None
                        }
                        Err(reason) => Some(format!("the server {} {reason}", chat.host())),
                    },
                };
                if let Some(reason) = failed {
                    kept += group.topics.len();
                    why.get_or_insert(reason);
                }
            }
            if Watch::stopped(work) {
                return;
            }
            if silent {
                kept += labels.iter().skip(depth + 1).map(Vec::len).sum::<usize>();
                break;
            }
        }
        if let Some(why) = why {
            let all: usize = labels.iter().map(Vec::len).sum();
            work.tell(format!("{kept} of {all} topics are named by their words: {why}"));
        }
    }
}

/// What came of a request.
enum Answer {
    /// What the model said.
    Text(String),
    /// Why it said nothing.
    None(String),
}

/// Asks for the names of all groups, until one is not answered.
fn ask(chat: &Arc<Chat>, groups: Vec<Group>, work: &Work) -> Vec<(Group, Answer)> {
    let asked: Vec<String> = groups.iter().map(|group| group.asked.clone()).collect();
    let chat = chat.clone();
    let answers = async move { Ok(chat.answers(TASK, &asked).await) };
    let answers = block_on(answers, &|| Watch::stopped(work)).unwrap_or_default();
    let mut answers = answers.into_iter().map(|answer| match answer {
        Ok(text) => Answer::Text(text),
        Err(error) => Answer::None(error.to_string()),
    });
    let missing = || Answer::None("the server was not asked any more".to_string());
    groups.into_iter().map(|group| (group, answers.next().unwrap_or_else(missing))).collect()
}

/// The topics of a depth, by the one above, in portions.
fn groups(labels: &[Vec<Label>], topics: &Topics, depth: usize) -> Vec<Group> {
    let (Some(at), Some(own)) = (topics.depths.get(depth), labels.get(depth)) else {
        return Vec::new();
    };
    let above = |topic: usize| at.parents.get(topic).copied().filter(|_| depth > 0);
    let mut order: Vec<usize> = (0..own.len()).collect();
    order.sort_by_key(|topic| (above(*topic), *topic));
    order
        .chunk_by(|a, b| above(*a) == above(*b))
        .flat_map(|siblings| siblings.chunks(TOGETHER))
        .map(|portion| {
            let parent = portion.first().and_then(|topic| above(*topic));
            let parent = parent.and_then(|parent| labels.get(depth - 1)?.get(parent as usize));
            let portion_labels = portion.iter().filter_map(|topic| own.get(*topic));
            let asked = question(parent, portion_labels);
            Group { depth, topics: portion.to_vec(), asked }
        })
        .collect()
}

/// What is told of topics.
fn question<'a>(parent: Option<&Label>, labels: impl Iterator<Item = &'a Label>) -> String {
    let mut asked = String::new();
    if let Some(parent) = parent {
        let _ = writeln!(
            asked,
            "All of these topics are parts of the topic “{}”; do not repeat its words.\n",
            parent.short
        );
    }
    for (number, label) in labels.enumerate() {
        let terms: Vec<&str> = label.terms.iter().take(TERMS).map(|term| term.0.as_str()).collect();
        let texts = label.description.split_once("; such as ").map_or("", |(_, texts)| texts);
        let _ = writeln!(asked, "{}. {}. Texts: {texts}", number + 1, terms.join(", "));
    }
    asked
}

/// The names in an answer, or what is wrong with it as the end of a sentence.
fn names(text: &str, due: usize) -> std::result::Result<Vec<String>, String> {
    // Some models write a sentence or a fence around what they are asked for.
    let array = text.find('[').zip(text.rfind(']')).and_then(|(from, to)| text.get(from..=to));
    let Some(names) = array.and_then(|array| serde_json::from_str::<Vec<String>>(array).ok())
    else {
        return Err("answered something else than a list of names".to_string());
    };
    if names.len() != due {
        return Err(format!("gave {} names to {due} topics", names.len()));
    }
    let names: Vec<String> = names.iter().map(|name| tidy(name)).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| name.is_empty() || !seen.insert(name.to_lowercase())) {
        Some(name) if name.is_empty() => Err("gave a topic no name".to_string()),
        Some(name) => Err(format!("gave two topics the name “{name}”")),
        None => Ok(names),
    }
}

/// In one line, not too long, without what is around a name.
fn tidy(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let line = words.join(" ");
    let line =
        line.trim_matches(|c: char| c.is_control() || matches!(c, '"' | '“' | '”' | '.' | ' '));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let cut = line.get(..end).unwrap_or_default();
            cut.rsplit_once(' ').map_or(cut, |(whole, _)| whole).to_string()
        }
        None => line.to_string(),
    }
}

fn give(labels: &mut [Vec<Label>], group: &Group, names: Vec<String>) {
    let Some(own) = labels.get_mut(group.depth) else { return };
    for (topic, name) in group.topics.iter().zip(names) {
        if let Some(label) = own.get_mut(*topic) {
            label.short = name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_what_is_around_them() {
        assert_eq!(
            names("```json\n[\"Birds\", \" Sea  ships. \"]\n```", 2).unwrap(),
            ["Birds", "Sea ships"]
        );
        let long = format!("[\"{}\"]", "word ".repeat(30));
        assert_eq!(names(&long, 1).unwrap()[0].len(), 59);
    }

    #[test]
    fn bad_answers_say_what_is_wrong() {
        for (text, due, says) in [
            ("Birds and ships", 2, "something else"),
            ("[1, 2]", 2, "something else"),
            ("[\"Birds\"]", 2, "gave 1 names to 2 topics"),
            ("[\"Birds\", \"birds\"]", 2, "the name “birds”"),
            ("[\"Birds\", \" . \"]", 2, "no name"),
            ("]an[", 1, "something else"),
        ] {
            let said = names(text, due).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
