//! Commands as people paste them.

/// An argument as a shell takes it; on Windows, whose paths have backslashes, as `cmd.exe`
/// and PowerShell both do.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c) || (cfg!(windows) && c == '\\')
    };
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false if cfg!(windows) => format!("\"{argument}\""),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    #[cfg(not(windows))]
    fn what_a_shell_would_take_apart_is_quoted() {
        for (given, right) in [
            ("runs/a-1", "runs/a-1"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("numpy>=1", "'numpy>=1'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(given), right);
        }
    }
}
