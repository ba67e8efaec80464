//! Reports without a device: statistics, tables, and their files.

use std::fs;
use std::path::{Path, PathBuf};

use foveate::envs::native::Mode;
use foveate::report::page::Extras;
use foveate::report::statistics::{deviation, lead, mean};
use foveate::report::{self, Results, Table, csv, markdown, notes, page};
use foveate::run::RunDirectory;
use foveate::sweep::outcome::End;
use foveate::sweep::{Failure, Grid, Outcome, Plan, PlannedRun, SweepFolder};
use serde_json::json;
use tempfile::TempDir;

#[test]
fn statistics_are_those_computed_by_hand() {
    // Deviations from 5: −3, −1, −1, −1, 0, 0, 2, 4; their squares sum to 32.
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    assert_eq!(mean(&values), Some(5.0));
    assert!((deviation(&values).unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    assert_eq!(deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
    assert_eq!((mean(&[7.5]), deviation(&[7.5])), (Some(7.5), None));
    assert_eq!((mean(&[]), deviation(&[])), (None, None));

    // Walker walk, video easy, in the SGQN paper's table 1: +82 (10 %).
    let found = lead(&[245.0, 747.0, 608.0, 771.0, 828.0, 910.0]).unwrap();
    assert_eq!((found.best, found.by), (5, 82.0));
    assert!((found.percent.unwrap() - 100.0 * 82.0 / 828.0).abs() < 1e-12);
    assert_eq!(
        lead(&[-4.0, -2.0]).map(|l| (l.best, l.by, l.percent)),
        Some((1, 2.0, None))
    );
    assert_eq!(lead(&[3.0, 3.0]).map(|l| (l.best, l.by)), Some((0, 0.0)));
    assert_eq!((lead(&[3.0]), lead(&[])), (None, None));
}

const GRID: &str = r#"
agents = ["sac", "sgqn"]
tasks = ["native/reach", "dm_control/walker-walk", "dm_control/finger-spin"]
seeds = [1, 2]
looks = ["train", "video-hard"]
[set]
preset = "tiny"
eval_episodes = 3
"#;

/// How a run of the test's sweep ended.
enum Ended {
    /// With these returns, in the looks of the grid.
    Well(&'static [f64]),
    Badly,
    NotYet,
}

fn sweep(text: &str, ended: impl Fn(&PlannedRun) -> Ended) -> (TempDir, SweepFolder) {
    let keep = tempfile::tempdir().unwrap();
    let plan = Plan::of(Grid::parse(text).unwrap()).unwrap();
    let root = keep.path().join("a<b");
    let folder = SweepFolder::create(&root, &plan, text, "foveate sweep 'a & b.toml'").unwrap();
    for run in &plan.runs {
        let end = match ended(run) {
            Ended::NotYet => continue,
            Ended::Badly => End::Failed(Failure {
                stage: "train".into(),
                ended: "exit status: 1".into(),
                log: vec!["error: <loss> became NaN".into()],
            }),
            Ended::Well(returns) => {
                let each = plan.grid.looks.iter().zip(returns);
                let modes: serde_json::Map<_, _> = each
                    .map(|(look, mean)| (look.to_string(), json!({"mean": mean, "episodes": 3})))
                    .collect();
                End::Done {
                    action_repeat: 4,
                    evaluation: json!({"step": 7500, "adapter": "A & B", "modes": modes}),
                }
            }
        };
        Outcome::new(run, end).write(&folder.outcome(run)).unwrap();
    }
    (keep, folder)
}

/// Everything is done but one run of sgqn on finger-spin, which failed, and both of sac
/// there, which are not there.
fn with_gaps() -> (TempDir, SweepFolder) {
    sweep(GRID, |run| {
        match (run.agent.as_str(), run.task.as_str(), run.seed) {
            ("sac", "native/reach", 1) => Ended::Well(&[50.0, 10.0]),
            ("sac", "native/reach", _) => Ended::Well(&[54.0, 20.0]),
            ("sgqn", "native/reach", 1) => Ended::Well(&[60.0, 30.0]),
            ("sgqn", "native/reach", _) => Ended::Well(&[64.0, 40.0]),
            (_, "dm_control/walker-walk", _) => Ended::Well(&[400.0, 100.0]),
            ("sgqn", "dm_control/finger-spin", 1) => Ended::Badly,
            ("sgqn", "dm_control/finger-spin", _) => Ended::Well(&[300.0, 200.0]),
            _ => Ended::NotYet,
        }
    })
}

#[test]
fn what_is_missing_is_shown_and_decides_nothing() {
    let (_keep, folder) = with_gaps();
    let results = Results::read(&folder).unwrap();
    assert_eq!(
        page::standing(&results),
        "9 of 12 runs are done, 1 failed, 2 missing"
    );
    let table = Table::of(&results);
    assert_eq!(table.columns, ["sac", "sgqn"]);
    let rows: Vec<_> = table.of_look(Mode::Train).collect();
    let texts: Vec<Vec<String>> = (rows.iter())
        .map(|row| {
            let cells = row.cells.iter().map(|cell| cell.text());
            [row.title().to_owned()]
                .into_iter()
                .chain(cells)
                .chain([row.lead_text()])
                .collect()
        })
        .collect();
    let expected = [
        // 52 ± √8, 62 ± √8; 10 of 52 are 19 %.
        ["native/reach", "52.0 ± 2.8", "62.0 ± 2.8", "+10.0 (19 %)"],
        [
            "dm_control/walker-walk",
            "400.0 ± 0.0",
            "400.0 ± 0.0",
            "+0.0 (0 %)",
        ],
        [
            "dm_control/finger-spin",
            "missing",
            "300.0 (1 of 2 seeds, 1 failed)",
            "–",
        ],
        // Of tasks that are there alone, an average would say something else.
        ["average of dm_control", "missing", "missing", "–"],
    ];
    assert_eq!(texts, expected);
    assert!(rows[0].is_best(1) && !rows[0].is_best(0));
    assert!(!rows[2].is_best(1), "nobody knows whether it is");
}

#[test]
fn published_numbers_stand_beside_ours_where_there_are_any() {
    let (_keep, folder) = with_gaps();
    let table = Table::of(&Results::read(&folder).unwrap());
    let published = |row: usize, column: usize| {
        let cell = &table.rows[row].cells[column];
        cell.published.as_ref().map(|p| p.text())
    };
    // Rows 0 to 3 are look train, 4 to 7 video-hard. Actions were repeated 4 times.
    assert_eq!((published(0, 0), published(4, 1)), (None, None));
    assert_eq!(published(1, 1).as_deref(), Some("937 ± 12"));
    assert_eq!(published(5, 0).as_deref(), Some("122 ± 47"));
    assert_eq!(published(6, 1).as_deref(), Some("540 ± 53"));
    assert_eq!(
        published(6, 0),
        None,
        "without a run its repetition is unknown"
    );
    // 739 and 540.
    assert_eq!(published(7, 1).as_deref(), Some("640"));
    assert_eq!(table.sources(), ["SGQN table 1", "SGQN table 2"]);
}

#[test]
fn averages_are_of_tasks_on_one_scale() {
    let (_keep, folder) = sweep(GRID, |run| match run.task.as_str() {
        "dm_control/finger-spin" => Ended::Well(&[300.0, 200.0]),
        "dm_control/walker-walk" => Ended::Well(&[500.0, 100.0]),
        _ => Ended::Well(&[1.0, 1.0]),
    });
    let table = Table::of(&Results::read(&folder).unwrap());
    let average = &table.rows[3];
    assert_eq!(
        (average.task.as_ref(), average.cells[0].text()),
        (None, "400.0".into())
    );
    // Of one task there is none, nor of native worlds.
    let (_keep, folder) = sweep(&GRID.replace(", \"dm_control/finger-spin\"", ""), |_| {
        Ended::Well(&[1.0, 1.0])
    });
    let table = Table::of(&Results::read(&folder).unwrap());
    assert!(table.rows.iter().all(|row| row.task.is_some()));
}

#[test]
fn one_seed_has_no_deviation_and_one_agent_no_lead() {
    let text = GRID.replace("[1, 2]", "[1]").replace("\"sac\", ", "");
    let (_keep, folder) = sweep(&text, |_| Ended::Well(&[-0.01, 5.0]));
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    assert_eq!(table.rows[0].cells[0].text(), "0.0");
    assert_eq!(table.rows[0].lead, None);
    let notes = notes::of(&results, &table);
    let markdown = markdown::write(&results, &table, &notes);
    assert!(
        markdown.contains("one seed, which has no deviation"),
        "{markdown}"
    );
    assert!(!markdown.contains('Δ'), "{markdown}");
}

#[test]
fn markdown_is_what_people_paste() {
    let (_keep, folder) = with_gaps();
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    let notes = notes::of(&results, &table);
    let text = markdown::write(&results, &table, &notes);
    for line in [
        "# a&lt;b",
        "## Look video-hard",
        "| task | sac | sgqn | Δ |",
        "| --- | ---: | ---: | ---: |",
        "| native/reach | 15.0 ± 7.1 | **35.0 ± 7.1** | +20.0 (133 %) |",
        "| dm\\_control/finger-spin | missing | 200.0 (1 of 2 seeds, 1 failed) (published 540 ± 53) | – |",
        "- sgqn-dm\\_control-finger-spin-seed-1: failed",
        "- sac-dm\\_control-finger-spin-seed-2: missing",
    ] {
        assert!(text.lines().any(|l| l == line), "no '{line}' in:\n{text}");
    }
    assert!(
        text.contains("after 500,000 agent steps") && text.contains("Bertoin"),
        "{text}"
    );
    assert!(text.contains("over 3 episodes") && text.contains("after 7,500 agent steps"));
}

#[test]
fn text_is_escaped_for_where_it_stands() {
    assert_eq!(
        markdown::escape("a|b*c_d`e\n<f>&\\"),
        "a\\|b\\*c\\_d\\`e &lt;f&gt;&amp;\\\\"
    );
    assert_eq!(csv::escape("plain ± 1"), "plain ± 1");
    assert_eq!(csv::escape("a,b"), "\"a,b\"");
    assert_eq!(csv::escape("say \"x\"\nand y"), "\"say \"\"x\"\"\nand y\"");
    assert_eq!(
        page::escape("<a href=\"x\">'&'</a>"),
        "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
    );
}

/// Fields of a CSV line, as RFC 4180 has them.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

#[test]
fn csv_has_a_line_for_each_cell_and_each_return() {
    let text = format!("{GRID}\n[axes]\nrho = [0.9]");
    let (_keep, folder) = sweep(&text, |run| match run.seed {
        1 => Ended::Well(&[0.1, 2.0]),
        _ => Ended::NotYet,
    });
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    let text = csv::tables(&table);
    let lines: Vec<Vec<String>> = text.lines().map(fields).collect();
    // Two looks, three tasks and an average, two columns; and a head.
    assert_eq!(lines.len(), 2 * 4 * 2 + 1);
    assert!(lines.iter().all(|line| line.len() == 16), "{text}");
    let expected = [
        "train",
        "native/reach",
        "return",
        "sac, rho 0.9",
        "2",
        "1",
        "0",
        "1",
        "0.1",
        "",
        "",
    ];
    assert_eq!(lines[1][..11], expected);

    let text = csv::runs(&results);
    let lines: Vec<Vec<String>> = text.lines().map(fields).collect();
    assert_eq!(lines.len(), results.runs.len() * 2 + 1);
    assert!(lines.iter().all(|line| line.len() == 10), "{text}");
    let name = "sac-native-reach-rho-0.9-seed-1";
    let task = "native/reach";
    let first = [
        name, "sac", task, "1", "rho=0.9", "done", "7500", "train", "0.1", "",
    ];
    assert_eq!(lines[1], first);
    assert_eq!(
        lines.last().unwrap()[5..],
        ["missing", "", "video-hard", "", ""]
    );
}

/// Elements that are opened must be closed, in order.
fn is_well_formed(html: &str) {
    let alone = ["meta", "img", "!doctype"];
    let mut open: Vec<String> = vec![];
    for tag in html.split('<').skip(1) {
        let name: String = tag.chars().take_while(|c| !" >".contains(*c)).collect();
        let name = name.to_lowercase();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed)),
            None if alone.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn the_page_stands_alone() {
    let (_keep, folder) = with_gaps();
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    let extras = Extras {
        notes: notes::of(&results, &table),
        command: "foveate report 'a<b'".into(),
        ..Default::default()
    };
    let html = page::write(&results, &table, &extras);
    is_well_formed(&html);
    for text in [
        "<title>a&lt;b</title>",
        "foveate sweep &#39;a &amp; b.toml&#39;",
        "foveate report &#39;a&lt;b&#39;",
        "<dt>device</dt><dd>A &amp; B</dd>",
        "error: &lt;loss&gt; became NaN",
        "<td class=\"best\">62.0 ± 2.8</td>",
        "<td class=\"lost\">missing</td>",
        "<span class=\"gone\">1 of 2 seeds, 1 failed</span>",
        "<span class=\"published\">published 937 ± 12</span>",
        "prefers-color-scheme: dark",
        "agents = [&quot;sac&quot;",
    ] {
        assert!(html.contains(text), "no '{text}' in:\n{html}");
    }
    for foreign in [
        "<script", "http:", "https:", "//", "<link", "@import", "url(",
    ] {
        assert!(!html.contains(foreign), "'{foreign}' in:\n{html}");
    }
}

fn directory(folder: &SweepFolder, run: &PlannedRun) -> RunDirectory {
    RunDirectory::create(folder.directory(run)).unwrap()
}

#[test]
fn all_files_are_written_with_curves_and_animations() {
    let (_keep, folder) = with_gaps();
    let (plan, _) = folder.plan().unwrap();
    let mut gifs: Vec<PathBuf> = vec![];
    for run in plan.runs.iter().filter(|run| run.task == "native/reach") {
        let directory = directory(&folder, run);
        let line = |step: u64, value: u64| {
            format!("{{\"step\":{step},\"kind\":\"eval\",\"train\":{value},\"seconds\":1}}\n")
        };
        fs::write(
            directory.metrics(),
            line(500, 10 + run.seed) + &line(1000, 30),
        )
        .unwrap();
        gifs.push(directory.media().join("attention.gif"));
        fs::write(gifs.last().unwrap(), format!("GIF of {}", run.name)).unwrap();
        fs::write(directory.media().join("curve.png"), "not an animation").unwrap();
    }
    let results = Results::read(&folder).unwrap();
    // While it trained, and at its end.
    let reach = results.of("native/reach", "sac").next().unwrap();
    assert_eq!(
        reach.evaluations,
        [(500.0, 11.0), (1000.0, 30.0), (7500.0, 50.0)]
    );

    let out = folder.root().join("report");
    let files = report::write(&results, &Table::of(&results), &out, "foveate report").unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let names: Vec<String> = files.iter().map(|path| name(path)).collect();
    let expected = [
        "tables.md",
        "tables.csv",
        "runs.csv",
        "curve-native-reach.png",
        "curve-dm_control-walker-walk.png",
        "curve-dm_control-finger-spin.png",
        "index.html",
    ];
    assert_eq!(names, expected);
    assert!(files.iter().all(|path| path.metadata().unwrap().len() > 0));
    assert!(fs::read(&files[3]).unwrap().starts_with(b"\x89PNG"));
    let html = fs::read_to_string(&files[6]).unwrap();
    is_well_formed(&html);
    assert_eq!(html.matches("data:image/png;base64,").count(), 3);
    // One for each agent: of the first seed.
    assert_eq!(html.matches("data:image/gif;base64,").count(), 2);
    let first = fs::read(&gifs[0]).unwrap();
    assert!(html.contains(&report::data_uri("image/gif", &first)));
    assert!(html.contains("sac on native/reach, seed 1: attention"));
    // Again: the same bytes.
    report::write(&results, &Table::of(&results), &out, "foveate report").unwrap();
    assert_eq!(fs::read_to_string(&files[6]).unwrap(), html);
}

/// Success stands beside returns where a task speaks of it, with what ViSaRL prints.
#[test]
fn success_has_tables_of_its_own() {
    let text = "agents = ['sac']\ntasks = ['metaworld/drawer-open-v3', 'native/reach']\n\
                seeds = [1, 2]\nlooks = ['train']\n[set]\npreset = 'visarl'\neval_episodes = 3\n";
    let (_keep, folder) = sweep(text, |_| Ended::NotYet);
    let (plan, _) = folder.plan().unwrap();
    for run in &plan.runs {
        let mut mode = json!({"mean": 4.0, "episodes": 3});
        if run.task.starts_with("metaworld/") {
            mode["success_rate"] = json!(if run.seed == 1 { 0.5 } else { 0.25 });
        }
        let end = End::Done {
            action_repeat: 1,
            evaluation: json!({"step": 7500, "modes": {"train": mode}}),
        };
        Outcome::new(run, end).write(&folder.outcome(run)).unwrap();
    }
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    assert_eq!(table.success.len(), 1, "native worlds do not speak of it");
    let cell = &table.success[0].cells[0];
    assert_eq!(cell.text(), "37.5 ± 17.7");
    assert_eq!(cell.published.as_ref().unwrap().text(), "18 ± 25");
    assert!(table.rows[0].cells[0].published.is_none());
    let notes = notes::of(&results, &table);
    let markdown = markdown::write(&results, &table, &notes);
    assert!(
        markdown.contains("Success in per cent:") && markdown.contains("ViSaRL (Liang"),
        "{markdown}"
    );
    let extras = Extras::default();
    let html = page::write(&results, &table, &extras);
    is_well_formed(&html);
    assert!(html.contains("success in per cent"), "{html}");
    let tables = csv::tables(&table);
    let line = tables.lines().last().unwrap();
    let start = "train,metaworld/drawer-open-v3,success_percent,sac,2,2,0,0,37.5,";
    assert!(line.starts_with(start), "{tables}");
    assert!(csv::runs(&results).contains(",train,4,0.25\n"));
}

/// What a failed or an outstanding evaluation leaves of earlier ones is shown.
#[test]
fn looks_that_are_there_are_shown() {
    let (_keep, folder) = sweep(GRID, |_| Ended::Well(&[50.0, 10.0]));
    let (plan, _) = folder.plan().unwrap();
    let run = &plan.runs[0];
    let mut outcome = Outcome::read(&folder.outcome(run)).unwrap().unwrap();
    if let End::Done { evaluation, .. } = &mut outcome.end {
        evaluation["modes"]
            .as_object_mut()
            .unwrap()
            .remove("video-hard");
    }
    outcome.failed_since = Some(Failure {
        stage: "evaluate".into(),
        ended: "exit status: 1".into(),
        log: vec!["error: the window is <broken>".into()],
    });
    outcome.write(&folder.outcome(run)).unwrap();
    let results = Results::read(&folder).unwrap();
    assert_eq!(page::standing(&results), "11 of 12 runs are done, 1 failed");
    let table = Table::of(&results);
    let text = |look| table.of_look(look).next().unwrap().cells[0].text();
    assert_eq!(text(Mode::Train), "50.0 ± 0.0");
    assert_eq!(text(Mode::VideoHard), "10.0 (1 of 2 seeds, 1 failed)");
    let html = page::write(&results, &table, &Extras::default());
    assert!(html.contains("the window is &lt;broken&gt;"), "{html}");

    // Of other episodes than the grid wants now, a return is another thing.
    let text = GRID.replace("eval_episodes = 3", "eval_episodes = 3\nlog_freq = 50");
    let more = text.replace("[set]", "episodes = 9\n[set]");
    fs::write(folder.grid(), more).unwrap();
    let results = Results::read(&folder).unwrap();
    assert_eq!(results.runs[1].mean(Mode::Train), None);
}

/// One damaged file is no reason to show nothing of the other runs.
#[test]
fn damaged_files_are_named_and_passed_over() {
    let (_keep, folder) = sweep(GRID, |_| Ended::Well(&[50.0, 10.0]));
    let (plan, _) = folder.plan().unwrap();
    let (cut, torn) = (&plan.runs[0], &plan.runs[1]);
    fs::write(folder.outcome(cut), "{\"run\": \"sac").unwrap();
    let torn = directory(&folder, torn);
    fs::write(torn.metrics(), "{\"step\": 5}\nno JSON\n").unwrap();
    let results = Results::read(&folder).unwrap();
    assert_eq!(
        page::standing(&results),
        "11 of 12 runs are done, 1 damaged"
    );
    let out = folder.root().join("report");
    let table = Table::of(&results);
    report::write(&results, &table, &out, "foveate report").unwrap();
    let html = fs::read_to_string(out.join("index.html")).unwrap();
    is_well_formed(&html);
    for file in ["sac-native-reach-seed-1.json", "metrics.jsonl"] {
        assert!(html.contains(file), "no '{file}' in: {html}");
    }
    assert_eq!(
        table.rows[0].cells[1].text(),
        "50.0 ± 0.0",
        "returns are there"
    );
}

#[test]
fn a_page_of_somebody_else_is_left_alone() {
    let (_keep, folder) = with_gaps();
    let results = Results::read(&folder).unwrap();
    let table = Table::of(&results);
    let out = tempfile::tempdir().unwrap();
    let page = out.path().join("index.html");
    fs::write(&page, "<h1>My holidays</h1>").unwrap();
    let write = || report::write(&results, &table, out.path(), "foveate report");
    let error = write().unwrap_err();
    assert!(error.is_user_mistake(), "{error}");
    assert!(error.to_string().contains("--out"), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
    fs::remove_file(&page).unwrap();
    write().unwrap();
    // Its own is replaced.
    write().unwrap();
}
