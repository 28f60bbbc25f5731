//! What PostgreSQL's protocol (version 3) says of units of work: which statements one has, and when it is committed.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer messages are none, bytes.
const MAX_MESSAGE: u32 = 64 * 1024 * 1024;

/// A message of either side.
#[derive(Debug, Clone)]
pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one; none when the other side has hung up.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let kind = match from.read_u8().await {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self { kind, body: read_body(from).await? }))
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [&[self.kind], length(&self.body).as_slice(), &self.body].concat()
    }

    /// Whether the other side answers now.
    pub const fn ends_a_group(&self) -> bool {
        matches!(self.kind, b'S' | b'Q')
    }

    /// The columns of a row.
    pub fn columns(&self) -> Vec<Option<&[u8]>> {
        let mut left = self.body.get(2..).unwrap_or_default();
        let mut columns = Vec::new();
        while let Some((length, rest)) = left.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, rest) = rest.split_at(length.unwrap_or(0).min(rest.len()));
            columns.push(length.map(|_| value));
            left = rest;
        }
        columns
    }
}

/// The length counts itself.
pub fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes()
}

/// A message's length and the rest of it.
pub async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}

/// A statement that was executed, with its parameters as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    pub sql: String,
    pub parameters: Vec<u8>,
}

impl Executed {
    /// The table it writes to; none if it only reads.
    pub fn writes_to(&self) -> Option<&str> {
        let table = |mark| {
            let (_, rest) = self.sql.split_once(mark)?;
            rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()
        };
        let updates = || self.sql.trim_start().strip_prefix("UPDATE ").and_then(|rest| rest.split(' ').next());
        table("INSERT INTO ").or_else(|| table("DELETE FROM ")).or_else(updates)
    }
}

/// What a group of messages comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Meant {
    /// A unit of work ends, and all of it counts.
    Commit(Vec<Executed>),
    /// A statement that counts by itself, or only reads.
    Alone(Executed),
    /// Nothing that counts by now.
    Nothing,
}

/// What is known of a connection.
#[derive(Default)]
pub struct Session {
    statements: HashMap<Vec<u8>, String>,
    bound: Option<Executed>,
    within: bool,
    so_far: Vec<Executed>,
}

impl Session {
    /// Takes in what the client sends.
    pub fn hears(&mut self, group: &[Message]) -> Meant {
        let mut meant = Meant::Nothing;
        for message in group {
            match message.kind {
                b'P' => {
                    let (name, rest) = text(&message.body);
                    self.statements.insert(name.to_vec(), lossy(text(rest).0));
                }
                b'B' => {
                    let (_, rest) = text(&message.body);
                    let (name, parameters) = text(rest);
                    let sql = self.statements.get(name).cloned().unwrap_or_default();
                    self.bound = Some(Executed { sql, parameters: parameters.to_vec() });
                }
                b'E' => match self.bound.take() {
                    Some(executed) if self.within => self.so_far.push(executed),
                    Some(executed) => meant = Meant::Alone(executed),
                    None => {}
                },
                b'Q' => {
                    let sql = lossy(text(&message.body).0).trim().to_ascii_uppercase();
                    let so_far = std::mem::take(&mut self.so_far);
                    if sql.starts_with("COMMIT") {
                        meant = Meant::Commit(so_far);
                    } else if !sql.starts_with("ROLLBACK") && !sql.starts_with("BEGIN") {
                        self.so_far = so_far;
                    }
                }
                _ => {}
            }
        }
        meant
    }

    /// Takes in how the server stands after it.
    pub fn is_ready(&mut self, ready: &Message) {
        self.within = ready.body.first() != Some(&b'I');
    }
}

/// Up to the zero, and what follows.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Message {
        Message { kind, body: body.to_vec() }
    }

    fn execute(session: &mut Session, sql: &str) -> Meant {
        let parse = [b"s\0", sql.as_bytes(), b"\0\0\0"].concat();
        session.hears(&[
            message(b'P', &parse),
            message(b'B', b"\0s\0parameters"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ])
    }

    fn say(session: &mut Session, sql: &str, then: u8) -> Meant {
        let meant = session.hears(&[message(b'Q', format!("{sql}\0").as_bytes())]);
        session.is_ready(&message(b'Z', &[then]));
        meant
    }

    #[test]
    fn a_commit_has_all_statements_since_the_unit_of_work_began_and_none_of_one_that_was_given_up() {
        let mut session = Session::default();
        say(&mut session, "BEGIN", b'T');
        assert_eq!(execute(&mut session, "INSERT INTO given_up VALUES ($1)"), Meant::Nothing);
        assert_eq!(say(&mut session, "ROLLBACK", b'I'), Meant::Nothing);
        say(&mut session, "BEGIN", b'T');
        execute(&mut session, "UPDATE settlement AS s SET state = $1");
        execute(&mut session, "SELECT 1");
        let Meant::Commit(statements) = say(&mut session, "COMMIT", b'I') else { panic!("no commit") };
        let written: Vec<_> = statements.iter().map(Executed::writes_to).collect();
        assert_eq!(written, [Some("settlement"), None]);
        assert_eq!(statements[0].parameters, b"parameters");
    }

    #[test]
    fn a_statement_outside_of_a_unit_of_work_counts_by_itself() {
        let mut session = Session::default();
        let sql = "WITH held AS (SELECT 1) DELETE FROM outbox WHERE id = $1";
        let Meant::Alone(executed) = execute(&mut session, sql) else { panic!("not alone") };
        assert_eq!(executed.writes_to(), Some("outbox"));
    }

    #[test]
    fn the_columns_of_a_row_are_told_apart_and_null_is_none_of_them() {
        let row = message(b'D', &[&[0, 3], &[0, 0, 0, 2][..], b"ab", &[255; 4], &[0; 4]].concat());
        assert_eq!(row.columns(), [Some(&b"ab"[..]), None, Some(b"")]);
    }
}
