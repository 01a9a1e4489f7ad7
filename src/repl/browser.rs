//! The user's browser.

use std::process::{Command, Stdio};

/// Opens an address in the user's browser, where there is a screen to show it; says whether it could.
pub fn open_in_browser(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(target_os = "windows") {
        "explorer"
    } else if has_screen() {
        "xdg-open"
    } else {
        return false;
    };
    let quiet = || Stdio::null();
    let opened =
        Command::new(opener).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    let Ok(mut child) = opened else { return false };
    // Waited for aside, so that it does not stay behind as a zombie.
    std::thread::spawn(move || child.wait());
    true
}

fn has_screen() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}
