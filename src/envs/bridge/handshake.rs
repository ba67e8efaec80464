//! From options to a worker that has built what was asked for.

use super::error::{BridgeError, Tail};
use super::options::{self, BridgeOptions};
use super::process::{Launch, Worker};
use super::protocol::{self, ErrorReply, Message, OpenReply, OpenRequest};
use super::python;

/// Starts a worker and has it build the environments, with the first renderer that
/// works.
pub(super) fn open(options: &BridgeOptions) -> Result<(Worker, OpenReply), BridgeError> {
    options.check()?;
    let mut failures: Vec<String> = Vec::new();
    let mut last = Tail::default();
    for renderer in options::renderers() {
        let (mut worker, label) = start(options)?;
        match open_with(&mut worker, options, renderer, &label) {
            Ok(reply) => return Ok((worker, reply)),
            Err(BridgeError::NoRenderer { message, traceback }) => {
                failures.push(message);
                last = traceback;
            }
            Err(e) => return Err(e),
        }
    }
    Err(BridgeError::NoRenderer {
        message: failures.join("; "),
        traceback: last,
    })
}

/// Starts a worker that has nothing to do yet; also gives the name of its program.
pub(super) fn start(options: &BridgeOptions) -> Result<(Worker, String), BridgeError> {
    let Some(command) = options.command.as_deref() else {
        let python = python::choose(options.python.as_deref());
        let label = python.program.display().to_string();
        return match Worker::start(python.launch()) {
            Ok(worker) => Ok((worker, label)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(BridgeError::PythonNotFound {
                    tried: python.tried(),
                    named: python.named,
                })
            }
            Err(source) => Err(BridgeError::Start {
                command: label,
                source,
            }),
        };
    };
    let [program, args @ ..] = command else {
        return Err(BridgeError::Option {
            name: "command",
            given: "empty".into(),
            allowed: "a program and its arguments",
        });
    };
    let label = program.to_string_lossy().into_owned();
    let launch = Launch {
        program: program.clone(),
        args: args.to_vec(),
        preamble: Vec::new(),
    };
    match Worker::start(launch) {
        Ok(worker) => Ok((worker, label)),
        Err(source) => Err(BridgeError::Start {
            command: label,
            source,
        }),
    }
}

/// Sends what is wanted and checks that this is what was built.
fn open_with(
    worker: &mut Worker,
    options: &BridgeOptions,
    renderer: Option<String>,
    label: &str,
) -> Result<OpenReply, BridgeError> {
    let request = OpenRequest {
        id: options.id.clone(),
        n: options.n,
        image_size: options.image_size,
        action_repeat: options.action_repeat,
        seed: options.seed,
        evaluation: options.evaluation,
        look: options.look(),
        renderer,
    };
    let request = serde_json::to_vec(&request).unwrap_or_default();
    let (during, kind) = ("open", protocol::OPEN);
    let reply = answered(worker, during, kind, &request, options.open_timeout)
        .map_err(|e| e.of(&options.id, label))?;
    let reply: OpenReply = serde_json::from_slice(&reply.payload)
        .map_err(|e| worker.rubbish("open", format!("a specification that is none: {e}")))?;
    let spec = &reply.spec;
    let as_asked = spec.id == options.id
        && spec.n == options.n
        && spec.image_size == options.image_size
        && options
            .action_repeat
            .is_none_or(|asked| asked == spec.action_repeat)
        && (1..=protocol::MAX_PAYLOAD as usize / 4 / spec.n).contains(&spec.action_dim)
        && (spec.discrete_actions).is_none_or(|count| count > 0 && spec.action_dim == 1)
        && spec.action_repeat > 0
        && spec.episode_steps > 0;
    if !as_asked {
        let found = format!("it built {spec:?}, which is not what was asked for");
        return Err(worker.rubbish("open", found));
    }
    Ok(reply)
}

/// One request and its reply, with an error reply turned into a typed error.
pub(super) fn answered(
    worker: &mut Worker,
    during: &'static str,
    kind: u16,
    payload: &[u8],
    timeout: std::time::Duration,
) -> Result<Message, BridgeError> {
    let reply = worker.call(during, kind, payload, timeout)?;
    if reply.kind == kind | protocol::REPLY {
        return Ok(reply);
    }
    if reply.kind != protocol::ERROR {
        let found = format!(
            "a message of kind {}, expected {}",
            reply.kind,
            kind | protocol::REPLY
        );
        return Err(worker.rubbish(during, found));
    }
    let error: ErrorReply = match serde_json::from_slice(&reply.payload) {
        Ok(error) => error,
        Err(e) => return Err(worker.rubbish(during, format!("an error that is none: {e}"))),
    };
    let traceback = Tail(error.traceback.unwrap_or_default());
    Err(match error.kind.as_str() {
        "module_missing" => BridgeError::ModuleMissing {
            module: error.module.unwrap_or_default(),
            python: String::new(),
            message: error.message,
        },
        "renderer" => BridgeError::NoRenderer {
            message: error.message,
            traceback,
        },
        "unknown_environment" => BridgeError::UnknownEnvironment {
            given: String::new(),
            nearest: error.nearest,
            known: error.known.unwrap_or_default(),
        },
        "unsuitable" => BridgeError::Unsuitable {
            id: String::new(),
            reason: error.message,
        },
        "misuse" => BridgeError::Misuse {
            during,
            message: error.message,
        },
        "video" => BridgeError::Video {
            reason: error.message,
        },
        "state" => BridgeError::State {
            reason: error.message,
        },
        "version" => BridgeError::VersionMismatch {
            ours: protocol::VERSION,
            theirs: error.message,
        },
        _ => BridgeError::WorkerRaised {
            during,
            message: error.message,
            traceback,
        },
    })
}
