//! The tables as Markdown.

use super::results::Results;
use super::table::{Row, Table};

/// The whole file: one table for each look, and what a reader has to know.
pub fn write(results: &Results, table: &Table, notes: &[String]) -> String {
    let mut text = format!("# {}\n", escape(&results.name));
    for &look in &results.plan.grid.looks {
        text.push_str(&format!("\n## Look {look}\n\n"));
        text.push_str(&rows(table, table.of_look(look)));
        if table.success_of_look(look).next().is_some() {
            text.push_str("\nSuccess in per cent:\n\n");
            text.push_str(&rows(table, table.success_of_look(look)));
        }
    }
    text.push('\n');
    for note in notes {
        text.push_str(&format!("- {}\n", escape(note)));
    }
    let lost: Vec<_> = (results.runs.iter()).filter(|run| !run.is_done()).collect();
    if !lost.is_empty() {
        text.push_str("\n## Runs that are not there\n\n");
        for result in lost {
            let name = escape(&result.run.name);
            text.push_str(&format!("- {name}: {}\n", result.status()));
        }
    }
    text
}

fn rows<'a>(table: &Table, rows: impl Iterator<Item = &'a Row>) -> String {
    let mut head = vec!["task".to_owned()];
    head.extend(table.columns.iter().map(|column| escape(column)));
    let mut rule = vec!["---".to_owned()];
    rule.resize(head.len(), "---:".to_owned());
    if table.columns.len() > 1 {
        head.push("Δ".to_owned());
        rule.push("---:".to_owned());
    }
    let mut text = line(&head) + &line(&rule);
    for row in rows {
        text.push_str(&line(&cells(row, table.columns.len())));
    }
    text
}

fn cells(row: &Row, columns: usize) -> Vec<String> {
    let mut cells = vec![escape(row.title())];
    for (column, cell) in row.cells.iter().enumerate() {
        let mut text = cell.text();
        if row.is_best(column) {
            text = format!("**{text}**");
        }
        if let Some(published) = &cell.published {
            text.push_str(&format!(" (published {})", published.text()));
        }
        cells.push(text);
    }
    if columns > 1 {
        cells.push(row.lead_text());
    }
    cells
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text that Markdown shows as it is, also in a cell of a table.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
