//! One page with all of it: no scripts, no links to elsewhere, readable in light and dark.

use super::data_uri::data_uri;
use super::results::{Results, RunResult};
use super::table::{Cell, Row, Table};
use crate::sweep::State;

const STYLE: &str = include_str!("page.css");

/// What tells a page of this program from other files.
pub(super) const GENERATOR: &str = "<meta name=\"generator\" content=\"foveate report\">";

/// A picture of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `image/png` or `image/gif`.
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    pub caption: String,
}

/// What the page shows beside the sweep's results and their table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    pub notes: Vec<String>,
    pub curves: Vec<Figure>,
    pub animations: Vec<Figure>,
    /// The command that makes the page.
    pub command: String,
}

/// The page.
pub fn write(results: &Results, table: &Table, extras: &Extras) -> String {
    let name = escape(&results.name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         {GENERATOR}\n<title>{name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n\
         <p class=\"lead\">{}</p>\n",
        escape(&standing(results))
    );
    page.push_str("<h2>Returns</h2>\n");
    for &look in &results.plan.grid.looks {
        let rows: Vec<&Row> = table.of_look(look).collect();
        page.push_str(&format!("<h3>Look {look}</h3>\n{}", table_of(table, &rows)));
        let success: Vec<&Row> = table.success_of_look(look).collect();
        if !success.is_empty() {
            let table = table_of(table, &success);
            page.push_str(&format!(
                "<h3>Look {look}: success in per cent</h3>\n{table}"
            ));
        }
    }
    let notes = extras
        .notes
        .iter()
        .map(|note| format!("<li>{}</li>\n", escape(note)));
    page.push_str(&format!(
        "<ul class=\"notes\">\n{}</ul>\n",
        notes.collect::<String>()
    ));
    page.push_str(&figures("Learning curves", &extras.curves, false));
    page.push_str(&figures("Animations", &extras.animations, true));
    page.push_str(&lost(results));
    page.push_str(&made_by(results, &extras.command));
    page.push_str("</body>\n</html>\n");
    page
}

/// `3 of 4 runs are done, 1 failed`
pub fn standing(results: &Results) -> String {
    let all = results.runs.len();
    let mut parts = vec![match results.count("done") {
        done if done == all && all == 1 => "the one run is done".to_owned(),
        done if done == all => format!("all {all} runs are done"),
        done => format!("{done} of {all} runs are done"),
    }];
    for status in [
        "failed",
        "damaged",
        "unfinished",
        "not evaluated",
        "missing",
    ] {
        let count = results.count(status);
        parts.extend((count > 0).then(|| format!("{count} {status}")));
    }
    parts.join(", ")
}

fn table_of(table: &Table, rows: &[&Row]) -> String {
    let has_lead = table.columns.len() > 1;
    let mut html = "<div class=\"wide\"><table>\n<thead><tr><th>task</th>".to_owned();
    for column in &table.columns {
        html.push_str(&format!("<th>{}</th>", escape(column)));
    }
    html.push_str(if has_lead { "<th>Δ</th>" } else { "" });
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let class = match row.task {
            Some(_) => "",
            None => " class=\"average\"",
        };
        html.push_str(&format!("<tr{class}><td>{}</td>", escape(row.title())));
        for (column, cell) in row.cells.iter().enumerate() {
            html.push_str(&data_cell(cell, row.is_best(column)));
        }
        if has_lead {
            html.push_str(&format!("<td>{}</td>", escape(&row.lead_text())));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn data_cell(cell: &Cell, best: bool) -> String {
    let class = match (cell.mean(), best) {
        (None, _) => " class=\"lost\"",
        (Some(_), true) => " class=\"best\"",
        (Some(_), false) => "",
    };
    // What is missing stands below the number, in smaller letters.
    let text = cell.text();
    let (value, gone) = match text.split_once(" (") {
        Some((value, gone)) => (value, Some(gone.trim_end_matches(')'))),
        None => (text.as_str(), None),
    };
    let mut html = format!("<td{class}>{}", escape(value));
    if let Some(gone) = gone {
        html.push_str(&format!("<span class=\"gone\">{}</span>", escape(gone)));
    }
    if let Some(published) = &cell.published {
        html.push_str(&format!(
            "<span class=\"published\">published {}</span>",
            escape(&published.text())
        ));
    }
    html.push_str("</td>");
    html
}

/// Pictures one below the other. Curves carry their title in the picture.
fn figures(title: &str, figures: &[Figure], captions: bool) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut html = format!("<h2>{title}</h2>\n");
    for figure in figures {
        let caption = escape(&figure.caption);
        let source = data_uri(figure.media_type, &figure.bytes);
        html.push_str(&format!("<figure><img alt=\"{caption}\" src=\"{source}\">"));
        if captions {
            html.push_str(&format!("<figcaption>{caption}</figcaption>"));
        }
        html.push_str("</figure>\n");
    }
    html
}

/// The runs that are not there, with what is known about why.
fn lost(results: &Results) -> String {
    let lost: Vec<&RunResult> = (results.runs.iter())
        .filter(|result| !result.is_done())
        .collect();
    if lost.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Runs that are not there</h2>\n<div class=\"wide\"><table class=\"runs\">\n\
                    <thead><tr><th>run</th><th>state</th><th>why</th></tr></thead>\n<tbody>\n"
        .to_owned();
    for result in lost {
        let (class, why) = match &result.state {
            State::Failed(outcome) => (" class=\"failed\"", why(outcome)),
            _ => ("", escape(&result.damage.join("; "))),
        };
        html.push_str(&format!(
            "<tr><td>{}</td><td{class}>{}</td><td>{why}</td></tr>\n",
            escape(&result.run.name),
            result.status()
        ));
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn why(outcome: &crate::sweep::Outcome) -> String {
    let Some(failure) = outcome.failure() else {
        return String::new();
    };
    let ended = escape(&format!("{}: {}", failure.stage, failure.ended));
    match failure.log.is_empty() {
        true => ended,
        false => format!(
            "<details><summary>{ended}</summary><pre>{}</pre></details>",
            escape(&failure.log.join("\n"))
        ),
    }
}

/// Commands, versions, devices and the grid.
fn made_by(results: &Results, command: &str) -> String {
    let mut html = "<h2>How it was made</h2>\n<dl>\n".to_owned();
    for made in &results.commands {
        html.push_str(&format!(
            "<dt>foveate {}</dt><dd><code>{}</code></dd>\n",
            escape(&made.version),
            escape(&made.line)
        ));
    }
    html.push_str(&format!(
        "<dt>foveate {}</dt><dd><code>{}</code></dd>\n",
        env!("CARGO_PKG_VERSION"),
        escape(command)
    ));
    let mut adapters: Vec<&str> = (results.runs.iter())
        .filter_map(|run| run.outcome()?.adapter())
        .collect();
    adapters.sort();
    adapters.dedup();
    for adapter in adapters {
        html.push_str(&format!("<dt>device</dt><dd>{}</dd>\n", escape(adapter)));
    }
    html.push_str(&format!(
        "</dl>\n<h3>Grid</h3>\n<pre>{}</pre>\n",
        escape(results.grid.trim_end())
    ));
    html
}

/// Text that HTML shows as it is, also in an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
