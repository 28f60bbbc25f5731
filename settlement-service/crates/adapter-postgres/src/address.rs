//! The database's address, a URL: whether nobody but the database can answer there.

use std::{net::IpAddr, str::FromStr};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Why a service in production does not go to an address. The URL's text is not repeated: it holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It cannot be read.
    #[error("is not of the form postgres://user:password@host:port/database?sslmode=verify-full")]
    Form,
    /// Somebody on the way could pass for the database.
    #[error(
        "has sslmode={0} (without one: PGSSLMODE, or prefer), and must have sslmode=verify-full in production: verify-ca \
         takes any server of the authority for the database, the others take anybody"
    )]
    Unverified(&'static str),
}

/// On the way to another machine only `verify-full` will do. To the same one, by a loopback address or a Unix socket,
/// there is no way on which somebody could stand.
///
/// # Errors
/// [`AddressFault`].
pub fn verified(url: &str) -> Result<(), AddressFault> {
    let options = PgConnectOptions::from_str(url).map_err(|_| AddressFault::Form)?;
    let mode = match options.get_ssl_mode() {
        PgSslMode::VerifyFull => return Ok(()),
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::Require => "require",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Allow => "allow",
        PgSslMode::Disable => "disable",
    };
    if on_this_machine(&options) { Ok(()) } else { Err(AddressFault::Unverified(mode)) }
}

fn on_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [&str; 5] = ["disable", "allow", "prefer", "require", "verify-ca"];

    #[test]
    fn a_database_elsewhere_is_reached_by_verify_full_only() {
        for host in ["db.example", "localhost.example", "10.0.0.7", "[2001:db8::7]"] {
            let url = format!("postgres://any:secret@{host}/any");
            assert_eq!(verified(&format!("{url}?sslmode=verify-full&sslrootcert=/ca.pem")), Ok(()), "{host}");
            for mode in MODES {
                let found = verified(&format!("{url}?sslmode={mode}"));
                assert_eq!(found, Err(AddressFault::Unverified(mode)), "{host}");
            }
            assert!(matches!(verified(&url), Err(AddressFault::Unverified(_))), "{host}");
        }
    }

    #[test]
    fn on_the_same_machine_any_mode_will_do() {
        for base in [
            "postgres://any@localhost/any?",
            "postgres://any@127.0.0.1:6432/any?",
            "postgres://any@[::1]/any?",
            "postgres://any@%2Frun%2Fpostgresql/any?",
            "postgres://any@db.example/any?host=/run/postgresql&",
        ] {
            for mode in MODES {
                assert_eq!(verified(&format!("{base}sslmode={mode}")), Ok(()), "{base}");
            }
        }
    }

    #[test]
    fn what_stands_last_counts_as_it_does_when_the_service_connects() {
        let last = |query: &str| verified(&format!("postgres://any@db.example/any?{query}"));
        assert_eq!(last("sslmode=verify-full&sslmode=require"), Err(AddressFault::Unverified("require")));
        assert_eq!(last("sslmode=require&sslmode=verify-full"), Ok(()));
        assert_eq!(last("sslmode=require&hostaddr=127.0.0.1"), Ok(()));
        let away = verified("postgres://any@localhost/any?sslmode=require&host=db.example");
        assert_eq!(away, Err(AddressFault::Unverified("require")));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_no_password_is_told() {
        for url in ["any", "postgres://any:secret@[nowhere", "postgres://any:secret@db.example/any?sslmode=verify"] {
            assert_eq!(verified(url), Err(AddressFault::Form), "{url}");
        }
        let told = verified("postgres://any:secret@db.example/any?sslmode=require").unwrap_err().to_string();
        assert!(told.contains("sslmode=require") && !told.contains("secret"), "{told}");
    }
}
