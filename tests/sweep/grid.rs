//! Grids and their expansion.

use foveate::sweep::{GridError, Plan};

use super::support::{GRID, plan};

/// The smallest grid with some lines more.
fn small(more: &str) -> Result<Plan, GridError> {
    plan(&format!(
        "agents = ['sac']\ntasks = ['native/reach']\nseeds = [1]\nlooks = ['train']\n{more}"
    ))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.runs.iter().map(|run| run.name.as_str()).collect()
}

#[test]
fn seeds_vary_slowest_and_agents_fastest() {
    let expected = [
        "sac-native-reach-seed-3",
        "sgqn-native-reach-seed-3",
        "sac-native-cartpole-seed-3",
        "sgqn-native-cartpole-seed-3",
        "sac-native-reach-seed-1",
        "sgqn-native-reach-seed-1",
        "sac-native-cartpole-seed-1",
        "sgqn-native-cartpole-seed-1",
    ];
    let plan = plan(GRID).unwrap();
    assert_eq!(names(&plan), expected);
    let run = &plan.runs[3];
    assert_eq!(run.set, ["preset=tiny", "steps=40"]);
    assert_eq!((run.config.steps, run.config.seed), (40, 3));
    assert_eq!(run.config.env, "native/cartpole");
    assert_eq!(plan.columns(), ["sac", "sgqn"]);
}

#[test]
fn further_axes_name_folders_and_columns() {
    let plan = small("[axes]\nrho = [0.9, 0.95]\nbatch = [4, 8]").unwrap();
    // In the order of config.toml, not of the grid; the last one fastest.
    let expected = [
        "sac-native-reach-batch-4-rho-0.9-seed-1",
        "sac-native-reach-batch-4-rho-0.95-seed-1",
        "sac-native-reach-batch-8-rho-0.9-seed-1",
        "sac-native-reach-batch-8-rho-0.95-seed-1",
    ];
    assert_eq!(names(&plan), expected);
    assert_eq!(plan.columns()[1], "sac, batch 4, rho 0.95");
    let config = &plan.runs[2].config;
    assert_eq!((config.batch, config.rho), (8, 0.9));
}

/// What is wrong is named, and what would be right.
/// An augmentation that no paper has stands beside no paper's number.
#[test]
fn columns_are_compared_with_what_was_published() {
    for (agent, more, published) in [
        ("svea", "", "svea"),
        ("svea", "svea_augmentation = 'conv'", "svea-conv"),
        ("svea", "aux_augmentation = 'conv'", "svea"),
        ("soda", "aux_augmentation = 'conv'", "soda-conv"),
        ("soda", "svea_augmentation = 'conv'", "soda"),
        ("sgqn", "aux_augmentation = 'conv'", "sgqn-conv"),
        ("sgqn", "svea_augmentation = 'conv'", "sgqn"),
        ("svea-soda", "svea_augmentation = 'conv'", "svea-soda-conv"),
        (
            "sac-consistency",
            "aux_augmentation = 'conv'",
            "sac-consistency",
        ),
    ] {
        let text = format!(
            "agents = ['{agent}']\ntasks = ['native/reach']\nseeds = [1]\nlooks = ['train']\n[set]\n{more}"
        );
        let plan = plan(&text).unwrap();
        assert_eq!(plan.runs[0].published_as(), published, "{agent} {more}");
    }
}

#[test]
fn mistakes_in_a_grid_are_named() {
    let cases = [
        (
            "agenst = ['sac']",
            "unknown key 'agenst' (did you mean 'agents'?)",
        ),
        (
            "episodes = 0",
            "'episodes' is 0, but must be an integer from 1",
        ),
        (
            "[set]\nbacth = 4",
            "unknown option 'bacth' in [set] (did you mean 'batch'?)",
        ),
        (
            "[axes]\nrhoo = [0.9]",
            "unknown option 'rhoo' in [axes] (did you mean 'rho'?)",
        ),
        (
            "[set]\nbatch = 'four'",
            "'batch' in [set] is \"four\", but must be an integer",
        ),
        ("[axes]\nrho = []", "'rho' is empty"),
        ("[axes]\nrho = 0.9", "'rho' is 0.9, but must be a list"),
        ("[axes]\nrho = [1, 1.0]", "'rho' has 1.0 twice"),
        (
            "[axes]\nrho = [0.9]\n[set]\nrho = 0.8",
            "'rho' is in [axes] and in [set]",
        ),
        (
            "[set]\nseed = 4",
            "'seed' in [set] is an axis of its own: give its values as seeds",
        ),
        (
            "[axes]\nenv = ['x']",
            "'env' in [axes] is an axis of its own",
        ),
        (
            "[axes]\nbatch = [0]",
            "run 'sac-native-reach-batch-0-seed-1': option 'batch' is 0",
        ),
        ("x = ", "it is not TOML"),
        (
            "[axes]\noverlays = ['a b', 'a-b']",
            "share the folder 'sac-native-reach-overlays-a-b-seed-1'",
        ),
        (
            "[axes]\noverlays = ['x', 'X']",
            "share the folder 'sac-native-reach-overlays-X-seed-1'",
        ),
    ];
    for (more, said) in cases {
        let error = small(more).unwrap_err().to_string();
        assert!(error.contains(said), "{more}: {error}");
    }
    let with = |from: &str, to: &str| {
        let text = GRID.replace(from, to);
        assert_ne!(text, GRID, "{from}");
        plan(&text).unwrap_err().to_string()
    };
    for (from, to, said) in [
        (
            "\"sgqn\"",
            "\"sgqm\"",
            "unknown agent 'sgqm' (did you mean 'sgqn'?)",
        ),
        ("\"sgqn\"", "\"sac\"", "'agents' has \"sac\" twice"),
        (
            "\"sgqn\"",
            "4",
            "'agents' is 4, but must be a list of names",
        ),
        ("[3, 1]", "[3, 1, 3]", "'seeds' has 3 twice"),
        ("[3, 1]", "[]", "'seeds' is empty"),
        ("[3, 1]", "[-1]", "'seeds' is -1"),
        ("[3, 1]", "3", "'seeds' is 3, but must be a list"),
        (
            "seeds = [3, 1]",
            "",
            "there is no 'seeds': write seeds = [1, 2, 3]",
        ),
        ("video-hard", "vidoe-hard", "did you mean 'video-hard'?"),
        ("steps = 40", "steps = 0", "option 'steps' is 0"),
    ] {
        let error = with(from, to);
        assert!(error.contains(said), "{to}: {error}");
    }
    let many: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let error = with("[3, 1]", &format!("[{}]", many.join(",")));
    assert!(error.contains("40004 runs; 10000 are the most"), "{error}");
}
