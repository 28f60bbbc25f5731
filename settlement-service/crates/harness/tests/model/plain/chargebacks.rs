//! What a newcomer would say about a bank that takes money back.

use chrono::{DateTime, Utc};

use super::{Plain, Stage, Why};

impl Plain {
    pub(super) fn is_charged_back(&self) -> bool {
        !self.chargebacks.is_empty()
    }

    /// The bank takes back what was paid: before it is paid on, that stops the sale.
    pub(super) fn charged_back(&mut self, chargeback: u64) {
        if self.chargebacks.contains(&chargeback) {
            return;
        }
        self.chargebacks.push(chargeback);
        match self.stage {
            _ if self.stuck => {}
            Stage::Escrowed => self.stuck = true,
            Stage::Shipped => self.stage = Stage::Disputed,
            Stage::Awaiting | Stage::Authorizing | Stage::Authorized | Stage::PartRefunding => {
                self.to_be_stopped = true;
            }
            _ => {}
        }
    }

    /// Whether a chargeback that came before stops the sale here.
    pub(super) fn stops_here(&mut self) -> bool {
        std::mem::take(&mut self.to_be_stopped)
    }

    /// The bank keeps the money.
    pub(super) fn lose(&mut self, why: Why, now: DateTime<Utc>) {
        self.charged_back += self.price;
        self.stage = Stage::Refunded;
        self.follow(why, now);
    }
}
