//! Reading query strings: parameters one by one, so that every fault is named at once.

use event_contracts::problem::FieldError;

use crate::problem::ApiError;

/// Longest text of a parameter, characters.
const MAX_TEXT: usize = 200;

/// The parameters of a request, and what is wrong with them so far.
pub(crate) struct Parameters {
    values: Vec<(String, String)>,
    faults: Vec<FieldError>,
}

impl Parameters {
    /// Reads a query string of which only these names are known.
    pub fn read(query: &str, known: &[&str]) -> Self {
        let mut read = Self { values: Vec::new(), faults: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if read.values.iter().any(|(seen, _)| *seen == name) {
                read.fault(&name, "is given twice");
            } else if value.is_empty() || value.chars().count() > MAX_TEXT || value.chars().any(char::is_control) {
                read.fault(&name, &format!("has 1 to {MAX_TEXT} characters, none of them a control character"));
            } else if known.contains(&&*name) {
                read.values.push((name.into_owned(), value.into_owned()));
            } else {
                read.fault(&name, &format!("is not known; known are {}", known.join(", ")));
            }
        }
        read
    }

    fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(FieldError { pointer: format!("?{name:.50}"), detail: detail.to_owned() });
    }

    /// A parameter, if it is there and is what it has to be.
    pub fn optional<T>(&mut self, name: &str, detail: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let (_, value) = self.values.iter().find(|(given, _)| given == name)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.fault(name, detail);
        }
        parsed
    }

    /// A parameter that has to be there. None is a fault by now.
    pub fn required<T>(&mut self, name: &str, detail: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let faults = self.faults.len();
        let parsed = self.optional(name, detail, parse);
        if parsed.is_none() && self.faults.len() == faults {
            self.fault(name, "is missing");
        }
        parsed
    }

    /// Items of a page: 1 to 100, or the default.
    pub fn limit(&mut self, default: u32) -> u32 {
        let number = |text: &str| text.parse().ok().filter(|number| (1..=100).contains(number));
        self.optional("limit", "is a number from 1 to 100", number).unwrap_or(default)
    }

    /// All faults, if there are any.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::validation(self.faults)) }
    }
}
