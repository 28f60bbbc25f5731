//! What the seller says about the shipment.

use serde::{Deserialize, Serialize};

/// A carrier and its tracking number: each 1 to 64 characters, trimmed, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Parcel {
    carrier: String,
    tracking_number: String,
}

/// Which part of a parcel is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParcel {
    /// The carrier.
    #[error("a carrier has 1 to 64 characters and no control characters")]
    Carrier,
    /// The tracking number.
    #[error("a tracking number has 1 to 64 characters and no control characters")]
    TrackingNumber,
}

impl Parcel {
    /// Checks and trims both.
    pub fn new(carrier: &str, tracking_number: &str) -> Result<Self, InvalidParcel> {
        Ok(Self {
            carrier: short_line(carrier).ok_or(InvalidParcel::Carrier)?,
            tracking_number: short_line(tracking_number).ok_or(InvalidParcel::TrackingNumber)?,
        })
    }

    /// e.g. `UPS`.
    #[must_use]
    pub fn carrier(&self) -> &str {
        &self.carrier
    }

    /// The carrier's number.
    #[must_use]
    pub fn tracking_number(&self) -> &str {
        &self.tracking_number
    }
}

fn short_line(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[derive(Serialize, Deserialize)]
struct Raw {
    carrier: String,
    tracking_number: String,
}

impl TryFrom<Raw> for Parcel {
    type Error = InvalidParcel;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        Self::new(&raw.carrier, &raw.tracking_number)
    }
}

impl From<Parcel> for Raw {
    fn from(parcel: Parcel) -> Self {
        Self { carrier: parcel.carrier, tracking_number: parcel.tracking_number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carrier_and_tracking_number_are_short_lines() {
        assert!(Parcel::new(" UPS ", "1Z999").is_ok_and(|parcel| parcel.carrier() == "UPS"));
        assert_eq!(Parcel::new(" ", "1Z"), Err(InvalidParcel::Carrier));
        assert_eq!(Parcel::new("UPS", "1Z\n2"), Err(InvalidParcel::TrackingNumber));
        assert_eq!(Parcel::new("UPS", &"1".repeat(65)), Err(InvalidParcel::TrackingNumber));
    }
}
