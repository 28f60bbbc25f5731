//! What people read.

use settlement_domain::SettlementId;
use settlement_ports::{ListFilter, Viewer};

use crate::{SettlementView, Settlements, UseError};

/// The most settlements a page has.
pub const MAX_PAGE: u32 = 100;

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The settlements, newest first.
    pub items: Vec<SettlementView>,
    /// Where the next page goes on ([`ListFilter::after`]); none at the end.
    pub next: Option<SettlementId>,
}

impl Settlements {
    /// One settlement, if it is the viewer's business; for an admin with what the operator decided about it.
    pub async fn get(&self, viewer: &Viewer, id: SettlementId) -> Result<SettlementView, UseError> {
        let found = self.store.settlement(id).await?.filter(|settlement| viewer.may_see(settlement));
        let mut view = SettlementView::of(&found.ok_or(UseError::NotFound)?, viewer);
        if viewer.admin {
            view.resolutions = self.store.resolutions(id).await?;
        }
        Ok(view)
    }

    /// The viewer's settlements, an admin's are all; `limit` is held to 1–100.
    pub async fn list(&self, viewer: &Viewer, filter: &ListFilter, limit: u32) -> Result<Page, UseError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut found = self.store.list(viewer, filter, limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(settlement_domain::Settlement::id);
        let items = found.iter().map(|settlement| SettlementView::of(settlement, viewer)).collect();
        Ok(Page { items, next })
    }
}
