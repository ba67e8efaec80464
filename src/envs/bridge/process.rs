//! One worker process: started, spoken to with a deadline, never left behind.
//!
//! Three threads stand between the caller and the pipes, so that no call can
//! block for ever: one writes stdin, one decodes stdout, one keeps the end of
//! stderr. The writing thread also starts the process, because on Linux the
//! worker asks to be killed when the *thread* that started it ends.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, BufReader, Read, Write},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{BridgeError, Tail},
    protocol::{self, Message, StreamFault},
};

/// How much of stderr is kept.
const STDERR_BYTES: usize = 8 << 10;
/// How long a process may take to end after its output ended, before it is killed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub program: OsString,
    pub args: Vec<OsString>,
    /// Written to stdin before the first message.
    pub preamble: Vec<u8>,
}

/// A running worker. Dropping it kills and reaps the process.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    requests: Sender<Vec<u8>>,
    replies: Receiver<Result<Message, StreamFault>>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    stderr_ended: Receiver<()>,
}

type Started = (Child, ChildStdout, ChildStderr);

impl Worker {
    /// Starts the process and the threads around it.
    pub fn start(launch: Launch) -> io::Result<Worker> {
        let (requests, to_write) = mpsc::channel::<Vec<u8>>();
        let (tell_started, started) = mpsc::channel();
        thread::Builder::new()
            .name("foveate-bridge-write".into())
            .spawn(move || match start_process(&launch) {
                Ok((child, stdin, stdout, stderr)) => {
                    if tell_started.send(Ok((child, stdout, stderr))).is_ok() {
                        write_all(stdin, launch.preamble, to_write);
                    }
                }
                Err(e) => drop(tell_started.send(Err(e))),
            })?;
        let (mut child, stdout, stderr): Started = started
            .recv()
            .map_err(|_| io::Error::other("the starting thread ended"))??;

        let threads = Self::listen(stdout, stderr);
        match threads {
            Ok((replies, stderr, stderr_ended)) => Ok(Worker {
                child,
                requests,
                replies,
                stderr,
                stderr_ended,
            }),
            Err(e) => {
                end(&mut child);
                Err(e)
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn listen(
        stdout: ChildStdout,
        stderr: ChildStderr,
    ) -> io::Result<(
        Receiver<Result<Message, StreamFault>>,
        Arc<Mutex<VecDeque<u8>>>,
        Receiver<()>,
    )> {
        let (reply, replies) = mpsc::channel();
        thread::Builder::new()
            .name("foveate-bridge-read".into())
            .spawn(move || {
                let mut stdout = BufReader::with_capacity(1 << 16, stdout);
                loop {
                    let message = protocol::read(&mut stdout);
                    let last = message.is_err();
                    if reply.send(message).is_err() || last {
                        return;
                    }
                }
            })?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (ended, stderr_ended) = mpsc::channel();
        let keep = Arc::clone(&tail);
        thread::Builder::new()
            .name("foveate-bridge-stderr".into())
            .spawn(move || {
                keep_tail(stderr, &keep);
                drop(ended);
            })?;
        Ok((replies, tail, stderr_ended))
    }

    /// Process id, while it runs.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request and waits for the reply, of whatever kind, until `timeout`.
    /// After an error the process is gone.
    pub fn call(
        &mut self,
        during: &'static str,
        kind: u16,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Message, BridgeError> {
        // The writing thread takes messages as long as this worker lives; when it
        // could not write, the reading thread sees the same death.
        let _ = self.requests.send(protocol::encode(kind, payload));
        let fault = match self.replies.recv_timeout(timeout) {
            Ok(Ok(message)) => return Ok(message),
            Ok(Err(fault)) => fault,
            Err(RecvTimeoutError::Disconnected) => StreamFault::End,
            Err(RecvTimeoutError::Timeout) => {
                end(&mut self.child);
                return Err(BridgeError::WorkerHung {
                    during,
                    waited: timeout,
                    stderr: self.stderr_tail(),
                });
            }
        };
        Err(match fault {
            StreamFault::End => BridgeError::WorkerDied {
                during,
                status: match self.wait(LAST_WORDS) {
                    Some(status) => status.to_string(),
                    None => "it closed its output and went on; it was ended".into(),
                },
                stderr: self.stderr_tail(),
            },
            StreamFault::Rubbish(found) => self.rubbish(during, found),
            StreamFault::Version(theirs) => {
                end(&mut self.child);
                BridgeError::VersionMismatch {
                    ours: protocol::VERSION,
                    theirs: theirs.to_string(),
                }
            }
        })
    }

    /// Ends the process for having sent `found`, and words the error.
    pub fn rubbish(&mut self, during: &'static str, found: String) -> BridgeError {
        end(&mut self.child);
        BridgeError::Rubbish {
            during,
            found,
            stderr: self.stderr_tail(),
        }
    }

    /// Waits until the process ends by itself; kills it at the deadline (`None`).
    pub fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + at_most;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(2));
                }
                Ok(None) | Err(_) => {
                    end(&mut self.child);
                    return None;
                }
            }
        }
    }

    /// The end of stderr, complete if the process has ended.
    fn stderr_tail(&self) -> Tail {
        // A grandchild may hold stderr open, so this wait has an end too.
        let _ = self.stderr_ended.recv_timeout(Duration::from_millis(500));
        let mut kept = lock(&self.stderr);
        Tail(String::from_utf8_lossy(kept.make_contiguous()).into_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn start_process(launch: &Launch) -> io::Result<(Child, ChildStdin, ChildStdout, ChildStderr)> {
    let mut child = Command::new(&launch.program)
        .args(&launch.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, stdin, stdout, stderr)),
        _ => {
            end(&mut child);
            Err(io::Error::other("its pipes are missing"))
        }
    }
}

/// Writes until the other end of `messages` is dropped, and only then closes
/// stdin. Returning earlier would end the thread, and with it the worker, before
/// it could say what is wrong.
fn write_all(stdin: ChildStdin, preamble: Vec<u8>, messages: Receiver<Vec<u8>>) {
    let mut stdin = Some(stdin);
    for bytes in std::iter::once(preamble).chain(messages) {
        if let Some(pipe) = &mut stdin
            && pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err()
        {
            stdin = None;
        }
    }
}

fn keep_tail(mut stderr: ChildStderr, tail: &Mutex<VecDeque<u8>>) {
    let mut chunk = [0; 4096];
    loop {
        match stderr.read(&mut chunk) {
            Ok(0) => return,
            Ok(got) => {
                let mut kept = lock(tail);
                kept.extend(&chunk[..got]);
                let surplus = kept.len().saturating_sub(STDERR_BYTES);
                kept.drain(..surplus);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Kills and reaps; both fail only for a process that is already gone.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
