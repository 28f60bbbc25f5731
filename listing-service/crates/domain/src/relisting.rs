//! A lot is listed again: a new listing of the same lot on the same terms, for as long as before, at once.
//!
//! | who asks | when |
//! |---|---|
//! | settlement | the buyer did not pay, and nobody took a second chance |
//! | the seller | the lot was not sold, or its sale failed; an offer of a second chance is then withdrawn by settlement |
//!
//! A listing is relisted once: the next time the new one is. Lots of many units that were sold in part or whole are not,
//! for each of their sales stands alone.

use chrono::{DateTime, Utc};

use crate::{
    event::ListingEvent,
    ids::ListingId,
    listing::{Listing, Refusal, State},
    standing::OnSale,
    terms::{Format, Terms},
};

/// Names of settlement that mean: nobody has the lot, and nobody will by this sale.
const OVER_WITHOUT_A_SALE: [&str; 2] = ["failed", "refunded"];

/// A lot that is listed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relisting {
    /// The listing of before, which shows what became of it.
    pub old: Listing,
    /// The new one, published.
    pub new: Listing,
    /// What the others are told of the new one.
    pub events: Vec<ListingEvent>,
}

impl Listing {
    /// Lists the lot again because settlement asks for it, under the id `id`. Settlement's word counts in any state from
    /// publication on: its topic may run ahead of bidding's.
    ///
    /// # Errors
    /// [`Refusal::Relisted`] when it was before, [`Refusal::State`] when there cannot have been a sale.
    pub fn relist(self, id: ListingId, now: DateTime<Utc>) -> Result<Relisting, Refusal> {
        match &self.state {
            State::Scheduled(sale) | State::Live(sale) | State::Sold(sale) => {
                let sale = sale.clone();
                self.relisted(&sale, id, now)
            }
            _ => Err(self.state.refuse("listed again at settlement's request")),
        }
    }

    /// Lists the lot again because its seller wants to.
    ///
    /// # Errors
    /// [`Refusal::Relisted`] when it was before, [`Refusal::State`] while it is for sale, sold, or taken back.
    pub fn relist_by_seller(self, id: ListingId, now: DateTime<Utc>) -> Result<Relisting, Refusal> {
        match &self.state {
            State::Unsold(sale) => {
                let sale = sale.clone();
                self.relisted(&sale, id, now)
            }
            State::Sold(sale) if self.sale_is_off() => {
                let sale = sale.clone();
                self.relisted(&sale, id, now)
            }
            State::Sold(_) => Err(self.state.refuse("listed again: its sale has not failed")),
            _ => Err(self.state.refuse("listed again")),
        }
    }

    /// Whether the sale failed, or the lot is only offered for now.
    fn sale_is_off(&self) -> bool {
        self.sale_status
            .as_ref()
            .is_some_and(|status| status.offered_until.is_some() || OVER_WITHOUT_A_SALE.contains(&status.name.as_str()))
    }

    fn relisted(self, sale: &OnSale, id: ListingId, now: DateTime<Utc>) -> Result<Relisting, Refusal> {
        if let Some(relisted_as) = self.relisted_as {
            return Err(Refusal::Relisted { relisted_as });
        }
        if matches!((&self.state, &self.terms.format), (State::Sold(_), Format::UniformMultiUnit(_))) {
            return Err(self.state.refuse("listed again: its units were sold one by one"));
        }
        let lasts = self.terms.ends_at - sale.starts_at;
        let draft = Self {
            id,
            version: 0,
            sequence: 0,
            terms: Terms { starts_at: None, ends_at: now + lasts, ..self.terms.clone() },
            relisted_from: Some(self.id),
            relisted_as: None,
            state: State::Draft,
            sale_status: None,
            created_at: now,
            updated_at: now,
            ..self.clone()
        };
        // The terms were sound when they were first published, and how long it lasts is not asked anew.
        let (new, events) = draft.published(now);
        let old = Self { relisted_as: Some(id), ..self }.changed(now);
        Ok(Relisting { old, new, events })
    }
}
