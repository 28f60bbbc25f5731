//! What bidding and settlement say, in listing's own words.

use event_contracts::{
    bidding::{BiddingEvent, CloseOutcome},
    envelope::Envelope,
    event::DataError,
    settlement::{SettlementEvent, SettlementStatus},
};
use listing_domain::{ids::ListingId, listing::Fact};
use listing_ports::fact::News;
use uuid::Uuid;

/// The topics that listing follows.
pub(crate) const TOPICS: [&str; 2] = [BiddingEvent::TOPIC, SettlementEvent::TOPIC];

/// Reads an event; `None` when it does not concern listings, or its type is not known here.
pub(crate) fn read(envelope: &Envelope, data: &[u8]) -> Result<Option<News>, DataError> {
    let event_type = envelope.event_type.as_str();
    if event_type.starts_with("outcry.bidding.") {
        return Ok(BiddingEvent::decode(event_type, data)?.and_then(bidding));
    }
    Ok(SettlementEvent::decode(event_type, data)?.and_then(settlement))
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
        BiddingEvent::AuctionCancelled(e) => (e.auction_id, Fact::AuctionCancelled),
        BiddingEvent::SecondChanceNominated(_) | BiddingEvent::SecondChanceExhausted(_) => return None,
    };
    Some(News { listing: ListingId(id), fact })
}

fn settlement(event: SettlementEvent) -> Option<News> {
    match event {
        SettlementEvent::Started(e) => sale_status(e.auction_id, e.status),
        SettlementEvent::Escrowed(e) => sale_status(e.auction_id, e.status),
        SettlementEvent::Shipped(e) => sale_status(e.auction_id, e.status),
        SettlementEvent::Completed(e) => sale_status(e.auction_id, e.status),
        SettlementEvent::Failed(e) => sale_status(e.auction_id, e.status),
        _ => None,
    }
}

fn sale_status(auction_id: Uuid, status: SettlementStatus) -> Option<News> {
    if status == SettlementStatus::Unknown {
        return None; // of a later version: the status stays as it was
    }
    let name = serde_json::to_value(status).ok()?.as_str()?.to_owned();
    Some(News { listing: ListingId(auction_id), fact: Fact::SaleStatus(name) })
}
