//! The images: the services packed from the binaries that were built beside these tests, the others made when missing.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Failed, Trial};

/// Made from Debian's packages and Kafka's published jars: made once.
const STAND_INS: [&str; 2] = ["postgres", "kafka"];
/// Made of a script that changes with what the services need: made anew each time, in a moment.
const BOOTSTRAP: &str = "bootstrap";
/// What the others are made on: an ordinary image, with all that a service's image has not.
const BASE: &str = "debian:bookworm-slim";
const SERVICES: [&str; 3] = ["listing-service", "bidding-service", "settlement-service"];
/// Name and tag of an image.
pub const TAG: &str = "dev";

/// The image called `name`.
pub fn named(name: &str) -> String {
    format!("outcry/{name}")
}

/// Makes what is missing, and the services' images in any case.
pub fn build() -> Result<()> {
    for name in STAND_INS.into_iter().filter(|name| !exists(name)) {
        script(&[name])?;
    }
    script(&[BOOTSTRAP])?;
    // Tests are in <target>/<profile>/deps.
    let own = env::current_exe()?;
    let profile = own.ancestors().nth(2).and_then(Path::file_name).context("this program is in no target directory")?;
    let profile = if profile == "release" { "release" } else { "dev" };
    script(&[&["--prebuilt", "--profile", profile][..], &SERVICES].concat())
}

/// What a service's image may hold, proved by the files that its container sees.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = SERVICES
        .into_iter()
        .map(|name| {
            let title = format!("images::{name}_has_no_shell_no_package_manager_and_no_root");
            Trial::test(title, move || scanned(&format!("{}:{TAG}", named(name))).map_err(|fault| told(&fault)))
        })
        .collect();
    trials.push(Trial::test("images::the_scan_finds_what_is_wrong_with_an_ordinary_image", || {
        let Err(faults) = scanned(BASE) else { return Err(Failed::from(format!("{BASE} passes the scan"))) };
        let faults = format!("{faults:#}");
        for fault in ["it runs as root", "a shell: ./usr/bin/bash", "a package manager: ./usr/bin/apt", "set-user-id"] {
            if !faults.contains(fault) {
                return Err(Failed::from(format!("of {BASE} it does not say {fault:?}: {faults}")));
            }
        }
        Ok(())
    }));
    trials
}

fn told(fault: &anyhow::Error) -> Failed {
    Failed::from(format!("{fault:#}"))
}

fn scanned(image: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/scan-image.sh");
    let output = Command::new(&script).arg(image).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}

fn exists(name: &str) -> bool {
    let image = format!("{}:{TAG}", named(name));
    let mut inspect = Command::new("docker");
    inspect.args(["image", "inspect", &image]).stdout(Stdio::null()).stderr(Stdio::null());
    inspect.status().is_ok_and(|status| status.success())
}

fn script(arguments: &[&str]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/images/build.sh");
    let own = env::current_exe()?;
    let target = own.ancestors().nth(3).context("this program is in no target directory")?;
    eprintln!("building images: {}", arguments.join(" "));
    let output = Command::new(&script).args(arguments).args(["--tag", TAG]).env("CARGO_TARGET_DIR", target).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{} {arguments:?} failed:\n{said}", script.display());
    Ok(())
}
