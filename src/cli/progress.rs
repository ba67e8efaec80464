//! How far training is: a bar on a terminal, a line every so often elsewhere.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{duration, note};
use crate::agents::Report;

/// Steps per second are those of this span: long enough to be steady, short enough
/// to notice that random steps have become updates.
const RATE_OVER: Duration = Duration::from_secs(20);
/// So many steps with updates must have been seen before they tell of those to come.
const STEPS_OF_AN_ESTIMATE: u64 = 10;
/// Between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Between changes of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Shows the reports of a trainer on standard error.
pub(super) struct Progress {
    /// What is counted, in the singular.
    unit: &'static str,
    /// What stands before all else.
    about: Option<String>,
    display: Display,
    pace: Pace,
    shown: Option<Instant>,
}

enum Display {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Of agent steps.
    pub fn new(quiet: bool) -> Progress {
        Progress::of("step", quiet)
    }

    /// Of anything that is counted in [`Report::step`].
    pub fn of(unit: &'static str, quiet: bool) -> Progress {
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            // The template is ours: were it wrong, the default style would do.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}") {
                bar.set_style(style);
            }
            Display::Bar(bar)
        } else {
            Display::Lines
        };
        Progress {
            unit,
            about: None,
            display,
            pace: Pace::default(),
            shown: None,
        }
    }

    /// Takes a report, of every agent step.
    pub fn report(&mut self, report: &Report) {
        for notice in &report.notices {
            match &self.display {
                Display::Bar(bar) => bar.suspend(|| note(notice)),
                Display::Lines | Display::Nothing => note(notice),
            }
        }
        if matches!(self.display, Display::Nothing) {
            return;
        }
        let now = Instant::now();
        self.pace.step(now, report);
        let pause = match self.display {
            Display::Bar(_) => DRAW_EVERY,
            _ => LINE_EVERY,
        };
        let due = self.shown.is_none_or(|shown| now - shown >= pause);
        if due || report.step >= report.steps || report.evaluation.is_some() {
            self.shown = Some(now);
            let mut text = describe(report, self.unit, self.pace.rate(), self.pace.left(report));
            if let Some(about) = &self.about {
                text = format!("{about} · {text}");
            }
            match &self.display {
                Display::Bar(bar) => {
                    bar.set_length(report.steps);
                    bar.set_position(report.step);
                    bar.set_message(text);
                }
                Display::Lines => note(&text),
                Display::Nothing => {}
            }
        }
    }

    /// What to say before all else from now on; whether it is something new.
    pub fn is_about(&mut self, about: String) -> bool {
        let new = self.about.as_ref() != Some(&about);
        self.about = Some(about);
        new
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| note(text)),
            Display::Lines => note(text),
            Display::Nothing => {}
        }
    }

    /// Leaves the last state standing, on a line of its own.
    pub fn finish(self) {
        if let Display::Bar(bar) = self.display {
            bar.abandon();
            note("");
        }
    }
}

/// How quick it is of late.
#[derive(Default)]
struct Pace {
    recent: VecDeque<(Instant, u64)>,
    /// Whether the last step was before learning began.
    before_learning: bool,
    /// Where learning began, if that was seen.
    learning_since: Option<u64>,
}

impl Pace {
    fn step(&mut self, now: Instant, report: &Report) {
        if self.before_learning && !report.before_learning {
            // What came before tells nothing of what is to come.
            self.recent.clear();
            self.learning_since = Some(report.step);
        }
        if report.evaluation.is_some() {
            // Its episodes were played since the step before.
            self.recent.clear();
        }
        self.before_learning = report.before_learning;
        self.recent.push_back((now, report.step));
        while let [(first, _), (second, _), ..] = self.recent.make_contiguous()
            && now - *first > RATE_OVER
            && now - *second > RATE_OVER / 2
        {
            self.recent.pop_front();
        }
    }

    /// Steps per second of late; none before the second step.
    fn rate(&self) -> Option<f64> {
        let ((since, from), (until, to)) = (self.recent.front()?, self.recent.back()?);
        let seconds = (*until - *since).as_secs_f64();
        (to > from && seconds > 0.0).then(|| (to - from) as f64 / seconds)
    }

    /// Seconds to the end at this rate; none while it would be a guess.
    fn left(&self, report: &Report) -> Option<f64> {
        let begun = |since: u64| report.step >= since + STEPS_OF_AN_ESTIMATE;
        if report.before_learning || !self.learning_since.is_none_or(begun) {
            return None;
        }
        let left = report.steps.saturating_sub(report.step) as f64 / self.rate()?;
        (left > 0.0).then_some(left)
    }
}

/// `step 1500/3000 · return 61.2 · critic_loss 0.034 · 7.9 steps/s · 3 min 10 s left`
fn describe(report: &Report, unit: &str, rate: Option<f64>, left: Option<f64>) -> String {
    let mut parts = vec![format!("{unit} {}/{}", report.step, report.steps)];
    if let Some(value) = report.episode_return {
        parts.push(format!("return {value:.1}"));
    }
    if let Some((mode, value)) = &report.evaluation {
        parts.push(format!("evaluation ({mode}) {value:.1}"));
    }
    let loss = |name: &str| report.losses.iter().find(|(n, _)| n == name);
    for (name, value) in [loss("critic_loss"), loss("aux_loss")]
        .into_iter()
        .flatten()
    {
        parts.push(format!("{name} {value:.3}"));
    }
    if let Some(rate) = rate {
        parts.push(format!("{rate:.1} {unit}s/s"));
    }
    if let Some(left) = left {
        parts.push(format!("{} left", duration(left)));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_steps_return_loss_rate_and_time_left() {
        let report = Report {
            step: 1500,
            steps: 3000,
            episode_return: Some(61.25),
            losses: vec![("actor_loss".into(), 9.0), ("critic_loss".into(), 0.0341)],
            ..Default::default()
        };
        let expected =
            "step 1500/3000 · return 61.2 · critic_loss 0.034 · 7.5 steps/s · 3 min 20 s left";
        assert_eq!(describe(&report, "step", Some(7.5), Some(200.0)), expected);
        assert_eq!(
            describe(&Report::default(), "frame", None, None),
            "frame 0/0"
        );
    }

    /// Random steps take a tenth of a second, those with updates one: of 1,000 steps the
    /// last 900 take 900 seconds.
    #[test]
    fn the_time_left_is_that_of_steps_that_learn() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for step in 1..=1000u64 {
            let before_learning = step <= 100;
            now += Duration::from_millis(if before_learning { 100 } else { 1000 });
            let report = Report {
                step,
                steps: 1000,
                before_learning,
                ..Default::default()
            };
            pace.step(now, &report);
            let left = pace.left(&report);
            match step {
                ..111 => assert_eq!(left, None, "step {step}"),
                111..1000 => {
                    let right = (1000 - step) as f64;
                    assert!(
                        (left.unwrap() - right).abs() < 1e-6,
                        "step {step}: {left:?}"
                    );
                }
                _ => assert_eq!(left, None),
            }
        }
    }

    /// Steps take a second; an evaluation after the hundredth takes an hour.
    #[test]
    fn an_evaluation_is_no_step() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for step in 1..=200u64 {
            now += Duration::from_secs(if step == 100 { 3600 } else { 1 });
            let report = Report {
                step,
                steps: 1000,
                evaluation: (step == 100).then(|| ("train".into(), 1.0)),
                ..Default::default()
            };
            pace.step(now, &report);
            let known = step > 1 && step != 100;
            assert_eq!(pace.rate(), known.then_some(1.0), "step {step}");
        }
    }

    #[test]
    fn what_never_is_random_has_an_estimate_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for step in 1..=2 {
            let report = Report {
                step,
                steps: 10,
                ..Default::default()
            };
            pace.step(now + Duration::from_secs(step), &report);
            let left = (step == 2).then_some(8.0);
            assert_eq!(pace.left(&report), left);
        }
    }
}
