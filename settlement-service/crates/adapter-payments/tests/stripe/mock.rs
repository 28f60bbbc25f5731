//! `stripe-mock`, Stripe's own stand-in made of the description of its API. It is looked for by the variable
//! `OUTCRY_STRIPE_MOCK` (a path), in `PATH`, in Go's `bin` folders and in this build's target folder, where it is installed
//! by Go if Go is there. Where it cannot be had, that is said loudly, and with `OUTCRY_STRIPE_MOCK=required` it is a failure.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// The version whose description is of the very API version that the adapter pins.
const PACKAGE: &str = "github.com/stripe/stripe-mock@v0.203.0";
/// Installing downloads and compiles it, once.
const INSTALLED_WITHIN: Duration = Duration::from_secs(240);
/// It reads all of Stripe's description before it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running one; dropping it ends it.
pub struct Mock {
    pub url: String,
    child: Child,
}

impl Drop for Mock {
    fn drop(&mut self) {
        // By its own process id; there may be others on this machine.
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Starts one on a free port, if it can be had.
pub fn start() -> Option<Mock> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PROGRAM.get_or_init(program) {
        Ok(program) => Some(run(program)),
        Err(why) => {
            left_out(why);
            None
        }
    }
}

/// A test's standard error is kept back when it passes: this goes around that.
fn left_out(why: &str) {
    let line = "*".repeat(100);
    let told = format!(
        "\n{line}\nLEFT OUT: the Stripe adapter against stripe-mock, because {why}.\nOnly the fake server of the test \
         spoke for Stripe: whether Stripe takes these requests was NOT checked.\n{line}\n"
    );
    let _told = std::io::stderr().lock().write_all(told.as_bytes());
    assert!(env::var("OUTCRY_STRIPE_MOCK").as_deref() != Ok("required"), "stripe-mock is required, and {why}");
}

fn program() -> Result<PathBuf, String> {
    let named = env::var("OUTCRY_STRIPE_MOCK").ok().filter(|named| named != "required");
    if let Some(named) = named.map(PathBuf::from) {
        return if named.is_file() {
            Ok(named)
        } else {
            Err(format!("OUTCRY_STRIPE_MOCK names no file: {}", named.display()))
        };
    }
    let cache = cache();
    let go_path = env::var_os("GOPATH").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join("go"));
    let folders = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let folders = folders.into_iter().chain(go_path.into_iter().chain(home).map(|go| go.join("bin")));
    // The one that was installed for this test is of the right version; another may be older or newer.
    let mut found = [cache.clone()].into_iter().chain(folders).map(|folder| folder.join("stripe-mock"));
    if let Some(program) = found.find(|program| program.is_file()) {
        return Ok(program);
    }
    let mut go = Command::new("go")
        .args(["install", PACKAGE])
        .env("GOBIN", &cache)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it is not installed, and neither is Go ({error})"))?;
    let begun = Instant::now();
    let installed = loop {
        match go.try_wait().unwrap() {
            Some(status) => break status.success(),
            None if begun.elapsed() < INSTALLED_WITHIN => std::thread::sleep(Duration::from_millis(100)),
            None => {
                let _ended = go.kill();
                break false;
            }
        }
    };
    if installed {
        return Ok(cache.join("stripe-mock"));
    }
    let said = go.wait_with_output().map(|output| output.stderr).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    Err(format!("Go cannot install it: {}", said.lines().last().unwrap_or("it took too long")))
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripe-mock-0.203.0")
}

fn run(program: &Path) -> Mock {
    // Without an address for HTTPS it would listen on all of the machine's.
    let mut child = Command::new(program)
        .args(["-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0", "-strict-version-check"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let (told, address) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("Listening for HTTP at address: ") {
                let _heard = told.send(address.to_owned());
            }
        }
    });
    let mut mock = Mock { url: String::new(), child };
    let Ok(address) = address.recv_timeout(PATIENCE) else { panic!("stripe-mock does not say where it listens") };
    mock.url = format!("http://{address}");
    mock
}
