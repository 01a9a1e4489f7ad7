//! The line editor and its surroundings: what people type, what they see, and the same for
//! scripts. It stands on the public face of the crate only.

mod browser;
mod caret;
mod commands;
mod complete;
mod context;
mod describe;
mod editor;
mod format;
mod highlight;
mod hint;
mod history;
mod input;
mod keywords;
mod lexer;
mod map_page;
mod names;
mod obey;
mod output;
mod pager;
mod progress;
mod render;
mod running;
mod shell;
mod show;
mod terminal;
mod text;
mod value;
mod variables;

use std::process::ExitCode;

use tokio::runtime::Runtime;

pub use browser::open_in_browser;
pub use format::Format;
pub use shell::{Shell, ShellOptions, Stop};
pub use terminal::tell;

use editor::{LineEditor, Typed};

/// Reads and runs until the user quits.
pub fn interact(watcher: &Runtime, mut shell: Shell) -> ExitCode {
    let mut editor = match LineEditor::new(shell.names.clone()) {
        Ok(editor) => editor,
        Err(error) => {
            shell.complain(&format!("the terminal cannot be used: {error}"));
            return ExitCode::FAILURE;
        }
    };
    shell.say(&format!(
        "portolan {}, database {}. \\? lists the commands, \\q quits.",
        env!("CARGO_PKG_VERSION"),
        shell.location()
    ));
    loop {
        let initial = shell.unfinished.take().unwrap_or_default();
        match editor.read(&initial) {
            Ok(Typed::Text(text)) => match watcher.block_on(shell.run_input(&text)) {
                Ok(()) | Err(Stop::Failed | Stop::Interrupted) => {}
                Err(Stop::Quit | Stop::PipeClosed) => break,
            },
            Ok(Typed::Cleared) => {}
            Ok(Typed::End) => break,
            Err(error) => {
                shell.complain(&format!("the terminal cannot be read: {error}"));
                return ExitCode::FAILURE;
            }
        }
    }
    match shell.close_output() {
        Ok(()) | Err(Stop::PipeClosed) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
