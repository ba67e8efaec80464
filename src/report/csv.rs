//! The tables as CSV (RFC 4180), numbers in full.

use super::published::Metric;
use super::results::Results;
use super::table::Table;

/// One line for each cell of the table; what is not there is empty.
pub fn tables(table: &Table) -> String {
    let head = "look,task,metric,column,runs,returned,failed,missing,mean,deviation,best,lead,\
                lead_percent,published_mean,published_deviation,published_source";
    let mut text = format!("{head}\n");
    let returns = table.rows.iter().map(|row| (Metric::Return, row));
    let success = table.success.iter().map(|row| (Metric::Success, row));
    for (metric, row) in returns.chain(success) {
        for (index, (column, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
            let lead = row.lead.filter(|_| row.is_best(index));
            let published = cell.published.as_ref();
            push_line(
                &mut text,
                &[
                    row.look.to_string(),
                    row.title().to_owned(),
                    metric.name().to_owned(),
                    column.clone(),
                    cell.runs.to_string(),
                    cell.returns.len().to_string(),
                    cell.failed.to_string(),
                    cell.missing().to_string(),
                    number(cell.mean()),
                    number(cell.deviation()),
                    (row.lead.map(|_| row.is_best(index).to_string())).unwrap_or_default(),
                    number(lead.map(|lead| lead.by)),
                    number(lead.and_then(|lead| lead.percent)),
                    number(published.map(|p| p.mean)),
                    number(published.and_then(|p| p.deviation)),
                    published.map_or(String::new(), |p| p.source.to_owned()),
                ],
            );
        }
    }
    text
}

/// One line for each run in each look.
pub fn runs(results: &Results) -> String {
    let mut text = "run,agent,task,seed,settings,status,step,look,return,success_rate\n".to_owned();
    for result in &results.runs {
        let run = &result.run;
        let settings: Vec<_> = (run.settings.iter())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        for look in &results.plan.grid.looks {
            let outcome = result.outcome();
            let step = outcome.and_then(|outcome| outcome.step());
            push_line(
                &mut text,
                &[
                    run.name.clone(),
                    run.agent.clone(),
                    run.task.clone(),
                    run.seed.to_string(),
                    settings.join(" "),
                    result.status().to_owned(),
                    step.map_or(String::new(), |step| step.to_string()),
                    look.to_string(),
                    number(result.mean(*look)),
                    number(result.success_rate(*look)),
                ],
            );
        }
    }
    text
}

fn push_line(text: &mut String, fields: &[String]) {
    let fields: Vec<String> = fields.iter().map(|field| escape(field)).collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A field: in quotes where it holds a comma, a quote or a line's end.
pub fn escape(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}
