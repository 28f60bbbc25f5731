//! What bidding and settlement say, in listing's own words.

use chrono::{DateTime, Utc};
use event_contracts::{
    bidding::{BiddingEvent, CancelledBy as By, CloseOutcome},
    envelope::Envelope,
    event::DataError,
    settlement::{SettlementEvent, SettlementKind, SettlementStatus},
};
use listing_domain::{
    ids::ListingId,
    standing::{Cancellation, CancelledBy, Fact, SaleStatus},
};
use listing_ports::fact::News;

/// The topics that listing follows.
pub(crate) const TOPICS: [&str; 2] = [BiddingEvent::TOPIC, SettlementEvent::TOPIC];

/// Reads an event; `None` when it does not concern listings, or its type is not known here.
pub(crate) fn read(envelope: &Envelope, data: &[u8]) -> Result<Option<News>, DataError> {
    let event_type = envelope.event_type.as_str();
    if event_type.starts_with("outcry.bidding.") {
        return Ok(BiddingEvent::decode(event_type, data)?.and_then(bidding));
    }
    Ok(SettlementEvent::decode(event_type, data)?.and_then(|event| settlement(event, envelope.time)))
}

fn bidding(event: BiddingEvent) -> Option<News> {
    let (id, fact) = match event {
        BiddingEvent::AuctionOpened(e) => (e.auction_id, Fact::AuctionOpened),
        BiddingEvent::BidPlaced(e) => (e.auction_id, Fact::PriceMoved { price: Some(e.price), bid_count: e.bid_count }),
        BiddingEvent::BidRetracted(e) => (e.auction_id, Fact::PriceMoved { price: e.price, bid_count: e.bid_count }),
        BiddingEvent::AuctionExtended(e) => (e.auction_id, Fact::EndMoved { ends_at: e.ends_at }),
        BiddingEvent::AuctionClosed(e) => {
            let sold = e.outcome == CloseOutcome::Sold;
            let closed = Fact::AuctionClosed { sold, price: e.price, bid_count: e.bid_count, ended_at: e.ended_at };
            (e.auction_id, closed)
        }
        BiddingEvent::AuctionCancelled(e) => {
            let by = match e.cancelled_by {
                By::Seller => Some(CancelledBy::Seller),
                By::Operator => Some(CancelledBy::Operator),
                By::Unknown => None,
            };
            (e.auction_id, Fact::AuctionCancelled(Cancellation { by, reason: e.reason }))
        }
        BiddingEvent::AuctionPaused(e) => (e.auction_id, Fact::AuctionPaused { paused_at: e.paused_at }),
        BiddingEvent::AuctionResumed(e) => (e.auction_id, Fact::AuctionResumed { ends_at: e.ends_at }),
        BiddingEvent::AwardDeclined(_)
        | BiddingEvent::SecondChanceNominated(_)
        | BiddingEvent::SecondChanceExhausted(_) => return None,
    };
    Some(News { listing: ListingId(id), fact })
}

fn settlement(event: SettlementEvent, at: DateTime<Utc>) -> Option<News> {
    let (auction_id, status, offered_until) = match event {
        SettlementEvent::Started(e) => {
            let offered = e.kind == Some(SettlementKind::SecondChance);
            (e.auction_id, e.status, Some(e.payment_due_at).filter(|_| offered))
        }
        SettlementEvent::Escrowed(e) => (e.auction_id, e.status, None),
        SettlementEvent::Shipped(e) => (e.auction_id, e.status, None),
        SettlementEvent::Disputed(e) => (e.auction_id, e.status, None),
        SettlementEvent::Completed(e) => (e.auction_id, e.status, None),
        SettlementEvent::Failed(e) => (e.auction_id, e.status, None),
        SettlementEvent::RelistRequested(e) => {
            return Some(News { listing: ListingId(e.auction_id), fact: Fact::RelistRequested });
        }
        _ => return None,
    };
    if status == SettlementStatus::Unknown {
        return None; // of a later version: the status stays as it was
    }
    let name = serde_json::to_value(status).ok()?.as_str()?.to_owned();
    Some(News { listing: ListingId(auction_id), fact: Fact::SaleStatus(SaleStatus { name, at, offered_until }) })
}

#[cfg(test)]
mod tests {
    use event_contracts::catalogue::events;
    use listing_domain::standing::{Cancellation, CancelledBy, Fact};

    use super::read;

    /// What the golden example of an event says, or a variant of it.
    fn golden(event_type: &str, variant: Option<&str>) -> Option<Fact> {
        let event = events().expect("a catalogue").into_iter().find(|event| event.event_type == event_type);
        let event = event.expect("a known type");
        let named = event.variants.iter().find(|(name, _)| Some(*name) == variant).map(|(_, example)| example);
        let example = named.unwrap_or(&event.example);
        let data = serde_json::to_vec(&example.data).expect("data");
        read(&example.envelope, &data).expect("it fits").map(|news| news.fact)
    }

    #[test]
    fn every_event_of_the_contract_is_understood_or_left_alone() {
        for event in events().expect("a catalogue") {
            for example in event.examples() {
                let data = serde_json::to_vec(&example.data).expect("data");
                assert!(read(&example.envelope, &data).is_ok(), "{}", event.event_type);
            }
        }
    }

    #[test]
    fn a_retraction_of_the_last_bid_leaves_no_price() {
        let fact = golden("outcry.bidding.bid.retracted.v1", Some("last_bid"));
        assert_eq!(fact, Some(Fact::PriceMoved { price: None, bid_count: 0 }));
    }

    #[test]
    fn an_auction_of_several_units_is_sold_though_it_has_no_single_winner() {
        let fact = golden("outcry.bidding.auction.closed.v1", Some("awards"));
        assert!(matches!(fact, Some(Fact::AuctionClosed { sold: true, price: Some(2_000), .. })), "{fact:?}");
    }

    #[test]
    fn the_operators_reason_comes_with_the_cancellation() {
        let Some(Fact::AuctionCancelled(by_operator)) =
            golden("outcry.bidding.auction.cancelled.v1", Some("by_operator"))
        else {
            panic!("not a cancellation")
        };
        assert_eq!(by_operator.by, Some(CancelledBy::Operator));
        assert!(by_operator.reason.is_some());
        let by_seller = golden("outcry.bidding.auction.cancelled.v1", None);
        assert_eq!(by_seller, Some(Fact::AuctionCancelled(Cancellation::by_seller())));
    }

    fn sale(event_type: &str, variant: Option<&str>) -> (String, Option<i64>) {
        let Some(Fact::SaleStatus(status)) = golden(event_type, variant) else { panic!("no status: {event_type}") };
        let offered_s = status.offered_until.map(|until| (until - status.at).num_seconds());
        (status.name, offered_s)
    }

    #[test]
    fn every_step_of_a_settlement_is_shown_by_its_own_name() {
        for (event, name) in [
            ("started", "awaiting_payment"),
            ("escrowed", "escrowed"),
            ("shipped", "shipped"),
            ("disputed", "disputed"),
            ("completed", "completed"),
            ("failed", "failed"),
        ] {
            let told = sale(&format!("outcry.settlement.{event}.v1"), None);
            assert_eq!(told, (name.to_owned(), None));
        }
    }

    #[test]
    fn a_settlement_that_offers_a_second_chance_says_until_when() {
        let three_days_s = 3 * 24 * 3_600;
        let offered = sale("outcry.settlement.started.v1", Some("second_chance"));
        assert_eq!(offered, ("awaiting_payment".to_owned(), Some(three_days_s)));
        assert_eq!(sale("outcry.settlement.failed.v1", Some("offer_lapsed")), ("failed".to_owned(), None));
    }

    #[test]
    fn settlements_request_to_list_a_lot_again_is_heard() {
        assert_eq!(golden("outcry.settlement.relist.requested.v1", None), Some(Fact::RelistRequested));
    }

    #[test]
    fn pause_and_resumption_are_followed_and_a_declined_award_is_not() {
        assert!(matches!(golden("outcry.bidding.auction.paused.v1", None), Some(Fact::AuctionPaused { .. })));
        assert!(matches!(golden("outcry.bidding.auction.resumed.v1", None), Some(Fact::AuctionResumed { .. })));
        assert_eq!(golden("outcry.bidding.award.declined.v1", None), None);
    }
}
