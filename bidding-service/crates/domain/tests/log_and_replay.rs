//! The log of an auction, played again, gives the same auction, and whatever was changed in it is named.

mod support;

use bidding_domain::{
    auction::Auction,
    bid::Ask,
    chain::Link,
    english::EnglishTerms,
    event::Happening,
    format::FormatTerms,
    ids::AuctionId,
    log::{Decided, Entry},
    money::Amount,
    replay::{Difference, replay},
    terms::Terms,
};
use chrono::TimeDelta;
use support::{
    Room, amount, at, flat, lot, sale, scheduled,
    story::{STORY_S, story, story_lots},
    user, vickrey,
};
use uuid::Uuid;

fn again(room: &Room) -> Result<Auction, Difference> {
    replay(room.auction.id(), room.auction.terms(), &room.log)
}

/// A log of its terms alone, with a change planted into it.
fn changed(room: &Room, change: impl FnOnce(&mut Vec<Entry>)) -> Result<Auction, Difference> {
    let mut room = room.clone();
    change(&mut room.log);
    for entry in &mut room.log {
        entry.text = serde_json::to_string(&entry.record).unwrap();
    }
    again(&room)
}

/// What is saved of an auction, without what it remembers of halts that did nothing to it.
fn essence(auction: &Auction) -> String {
    let snapshot = bidding_domain::auction::Snapshot { halt: 0, ..auction.snapshot() };
    serde_json::to_string(&(auction.terms(), snapshot)).unwrap()
}

#[test]
fn the_log_of_every_format_played_again_gives_the_same_auction() {
    for format in story_lots() {
        let room = story(format);
        assert_eq!(essence(&again(&room).unwrap()), essence(&room.auction), "{}", room.auction.kind());
    }
}

#[test]
fn declined_lots_cancellations_and_purchases_are_played_again_too() {
    let [.., units] = story_lots();
    let mut room = Room::open(units);
    room.bid_units("ann", 2_000, 2).unwrap();
    room.bid_units("bob", 2_100, 4).unwrap();
    room.close();
    room.decline_at(room.ends_s() + 5, "ann").unwrap();
    assert_eq!(essence(&again(&room).unwrap()), essence(&room.auction));

    let offer = EnglishTerms { buy_now_price: Some(amount(5_000)), ..lot(500, flat(100)) };
    let mut bought = Room::open(offer.clone());
    bought.buy_now_at(5, "ann").unwrap();
    let mut taken_back = Room::open(offer.clone());
    taken_back.apply(5, |auction, now| auction.cancel(&user(support::SELLER), now)).unwrap();
    let mut stopped = Room::open(offer);
    stopped.apply(5, |auction, now| auction.cancel_by_operator("stolen goods", now)).unwrap();
    for room in [bought, taken_back, stopped] {
        assert_eq!(again(&room), Ok(room.auction));
    }
}

#[test]
fn every_prefix_of_a_log_is_the_log_of_the_auction_at_that_moment() {
    let [english, ..] = story_lots();
    let room = story(english);
    for length in 0..=room.log.len() {
        let auction = changed(&room, |log| log.truncate(length)).unwrap();
        let head = length.checked_sub(1).map(|last| (room.log[last].number, room.log[last].link));
        let genesis = Link::genesis(room.auction.id(), &room.auction.terms());
        assert_eq!(auction.head(), head.unwrap_or((0, genesis)));
        assert_eq!(auction.head() == room.auction.head(), length == room.log.len(), "a cut log ends elsewhere");
    }
}

#[test]
fn entries_are_numbered_and_their_events_are_without_a_gap() {
    for format in story_lots() {
        let room = story(format);
        for (number, entry) in (1..).zip(&room.log) {
            assert_eq!(entry.number, number);
        }
        for (sequence, event) in (1..).zip(room.events()) {
            assert_eq!(event.sequence, sequence);
        }
        assert_eq!(room.auction.sequence(), room.events().len() as u64);
        assert_eq!(room.auction.head().0, room.log.len() as u64);
    }
}

/// Plants a change into each entry in turn, of which it says whether there is something to change, and
/// asserts that the entry is named. Gives how many were changed.
fn each_is_named(change: impl Fn(&mut Entry) -> bool) -> usize {
    let mut changes = 0;
    for format in story_lots() {
        let room = story(format);
        for index in 0..room.log.len() {
            let mut log = room.log.clone();
            if !change(&mut log[index]) {
                continue;
            }
            changes += 1;
            let difference = changed(&room, |kept| *kept = log).unwrap_err();
            assert_eq!(difference.number, index as u64 + 1, "{difference} in {}", room.auction.kind());
        }
    }
    changes
}

#[test]
fn a_changed_maximum_is_named_in_every_format() {
    let changes = each_is_named(|entry| match &mut entry.record.decided {
        Decided::Bid { ask: Ask::Bid { max, .. }, .. } => {
            *max = amount(max.minor() + 1);
            true
        }
        _ => false,
    });
    assert_eq!(changes, 4 * 4 + 1);
}

#[test]
fn a_changed_bidder_is_named_in_every_format() {
    let changes = each_is_named(|entry| match &mut entry.record.decided {
        Decided::Bid { bidder, .. } => {
            *bidder = user("mallory");
            true
        }
        _ => false,
    });
    assert_eq!(changes, 4 * 4 + 1);
}

#[test]
fn a_changed_time_is_named() {
    let changes = each_is_named(|entry| {
        entry.at += TimeDelta::microseconds(1);
        true
    });
    assert!(changes > 40, "{changes}");
}

#[test]
fn a_changed_link_is_named() {
    each_is_named(|entry| {
        entry.link.0[31] ^= 1;
        true
    });
}

#[test]
fn a_changed_sequence_or_auction_is_named() {
    each_is_named(|entry| {
        entry.sequence += 1;
        true
    });
    each_is_named(|entry| {
        entry.auction_id = AuctionId(Uuid::from_u128(2));
        true
    });
}

#[test]
fn a_told_event_that_was_left_out_or_changed_is_named() {
    each_is_named(|entry| entry.record.told.pop().is_some());
    let changes = each_is_named(|entry| {
        for told in &mut entry.record.told {
            if let Happening::BidPlaced { price, .. } = told {
                *price = price.saturating_add(amount(1));
                return true;
            }
        }
        false
    });
    assert_eq!(changes, 4 + 1 + 4, "sealed bids tell nothing");
}

#[test]
fn changed_pauses_are_named() {
    let changes = each_is_named(|entry| match &mut entry.record.decided {
        Decided::Paused { since, .. } => {
            *since -= TimeDelta::seconds(1);
            true
        }
        Decided::Resumed { until } => {
            *until += TimeDelta::seconds(1);
            true
        }
        Decided::GivenBack { halt } => {
            halt.until = halt.until.map(|until| until + TimeDelta::seconds(1));
            true
        }
        _ => false,
    });
    assert_eq!(changes, 5 * 6);
}

#[test]
fn time_that_a_lot_gets_back_for_itself_once_bidding_has_begun_is_named() {
    let mut room = Room::from(scheduled(lot(500, flat(100))));
    room.apply(support::END_S, Auction::open_late).unwrap();
    room.bid_at(support::END_S + 1, "ann", 500).unwrap();
    let difference = changed(&room, |log| log[2].record = log[1].record.clone()).unwrap_err();
    assert_eq!(difference.to_string(), "entry 3: the rules make 0 entries of it");
}

#[test]
fn a_dropped_entry_is_named() {
    let room = story(story_lots()[0].clone());
    for index in 0..room.log.len() - 1 {
        let difference = changed(&room, |log| drop(log.remove(index))).unwrap_err();
        let number = index as u64 + 1;
        assert_eq!(
            difference.to_string(),
            format!("entry {number}: it is missing; the log goes on with {}", number + 1)
        );
    }
}

#[test]
fn swapped_entries_are_named_by_the_first_of_them_even_when_they_were_numbered_anew() {
    let room = story(story_lots()[1].clone());
    let swapped = changed(&room, |log| log.swap(1, 2)).unwrap_err();
    assert_eq!(swapped.number, 2);
    let renumbered = changed(&room, |log| {
        log.swap(1, 2);
        (log[1].number, log[2].number) = (2, 3);
    });
    assert_eq!(renumbered.unwrap_err().number, 2);
}

#[test]
fn an_entry_put_in_twice_is_named() {
    let room = story(story_lots()[0].clone());
    let doubled = changed(&room, |log| log.insert(2, log[1].clone())).unwrap_err();
    assert_eq!(doubled.number, 3);
}

#[test]
fn a_forger_who_links_everything_anew_is_caught_by_the_rules() {
    let mut room = Room::open_until(STORY_S, lot(500, flat(100)));
    room.bid("ann", 2_000).unwrap();
    room.bid("bob", 1_500).unwrap();
    room.close();
    let difference = changed(&room, |log| {
        if let Decided::Bid { ask, .. } = &mut log[2].record.decided {
            *ask = Ask::Bid { max: amount(900), quantity: 1 };
        }
        let mut link = Link::genesis(room.auction.id(), &room.auction.terms());
        for entry in log {
            entry.text = serde_json::to_string(&entry.record).unwrap();
            link = entry.link_after(link);
            entry.link = link;
        }
    });
    let difference = difference.unwrap_err();
    assert_eq!(difference.number, 3);
    assert!(difference.what.contains("\"price\":1600") && difference.what.contains("\"price\":1000"), "{difference}");
}

#[test]
fn a_forger_of_a_sealed_bid_who_links_everything_anew_ends_in_another_link() {
    let mut room = Room::open(vickrey(500, None));
    room.bid("ann", 2_000).unwrap();
    room.bid("bob", 1_500).unwrap();
    let honest = room.auction.head();
    let forged = changed(&room, |log| {
        if let Decided::Bid { ask, .. } = &mut log[2].record.decided {
            *ask = Ask::Bid { max: amount(900), quantity: 1 };
        }
        log[2].text = serde_json::to_string(&log[2].record).unwrap();
        log[2].link = log[2].link_after(log[1].link);
    });
    assert_ne!(forged.unwrap().head(), honest);
}

#[test]
fn a_record_that_was_written_otherwise_is_proved_by_its_own_text() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid("ann", 2_000).unwrap();
    room.close();
    let mut link = Link::genesis(room.auction.id(), &room.auction.terms());
    for entry in &mut room.log {
        entry.text = entry.text.replacen('{', "{ ", 1);
        link = entry.link_after(link);
        entry.link = link;
    }
    assert_eq!(again(&room).unwrap().head(), (3, link));
    room.log[1].text.insert(1, ' ');
    assert_eq!(again(&room).unwrap_err().number, 2, "and not by another");
}

#[test]
fn the_chain_begins_with_the_id_and_the_terms() {
    let room = Room::open(lot(500, flat(100)));
    let other = |format: EnglishTerms| Terms::new(sale(), FormatTerms::English(format)).unwrap();
    let reserve = EnglishTerms { reserve_price: Some(Amount::MAX), ..lot(500, flat(100)) };
    assert!(replay(room.auction.id(), other(lot(500, flat(100))), &room.log).is_ok());
    for terms in [reserve, lot(501, flat(100)), lot(500, flat(101))] {
        let difference = replay(room.auction.id(), other(terms), &room.log).unwrap_err();
        assert_eq!(difference.number, 1);
    }
    let difference = replay(AuctionId(Uuid::from_u128(2)), room.auction.terms(), &room.log).unwrap_err();
    assert_eq!(difference.number, 1);
}

#[test]
fn the_link_after_an_entry_is_the_sha_256_of_the_link_before_its_place_and_its_text() {
    let room = Room::open(lot(500, flat(100)));
    // The same digest by another implementation, over the text that is written down here.
    let terms = "{\"sale\":{\"seller\":\"sam\",\"currency\":\"USD\",\"starts_at\":\"2030-03-17T17:46:40Z\",\
                 \"ends_at\":\"2030-03-17T18:46:40Z\",\"second_chance\":false},\"format\":{\"kind\":\"english\",\
                 \"start_price\":500,\"reserve_price\":null,\"buy_now_price\":null,\
                 \"increments\":[{\"from\":0,\"increment\":100}],\"soft_close\":{\"mode\":\"off\"}}}";
    assert_eq!(serde_json::to_string(&room.auction.terms()).unwrap(), terms);
    let genesis = Link::genesis(room.auction.id(), &room.auction.terms());
    assert_eq!(genesis.to_string(), "8d76ad94281261a66a5dbd4365f9af4182d1df8007c66990b594ef91c8bab4f4");
    assert_eq!(room.log[0].link, genesis.next(1, 1, at(0), &room.log[0].text));
}

#[test]
fn a_bid_that_the_rules_refuse_is_named_with_the_reason() {
    let mut room = Room::open(lot(500, flat(100)));
    room.bid("ann", 900).unwrap();
    let difference = changed(&room, |log| {
        if let Decided::Bid { bidder, .. } = &mut log[1].record.decided {
            *bidder = user(support::SELLER);
        }
    });
    let told = "entry 2: the bid would be refused: the seller may not bid on the own lot";
    assert_eq!(difference.unwrap_err().to_string(), told);
}
