//! The store's auctions as a whole, how people stand, and the audit trail.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::poll;
use settlement_domain::saga::{self, Act};
use settlement_domain::settlement::{Claim, Decision, Lot, OfferDays, Resolution, Verdict};
use settlement_domain::standing::Reinstatement;
use settlement_domain::{AuctionId, GatewayRef, Parcel, Role, Settlement, Standing, Statement, Strike, UserId};
use settlement_ports::{Early, FreeStandings, Outbox, SettlementStore, SettlementTx};
use uuid::Uuid;

use super::{
    samples::{begun, begun_of, escrowed, now, somebody, stored},
    soon,
};

/// More than a shared store will have due at once.
const MANY: u32 = 10_000;

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore, outbox: &dyn Outbox) {
    an_auction_is_locked_before_it_has_settlements(store).await;
    a_locked_auction_shows_all_its_settlements_in_id_order(store).await;
    auctions_that_are_locked_together_show_what_is_theirs(store).await;
    an_early_word_is_kept_once_and_only_if_committed(store).await;
    a_settlement_off_the_good_path_is_read_as_it_was(store).await;
    a_person_without_a_strike_has_a_standing_to_lock(store).await;
    standings_that_another_one_has_are_passed_over_and_not_waited_for(store).await;
    a_standing_is_due_until_it_is_saved_as_not_due(store).await;
    events_of_a_standing_come_out_in_order_by_its_person(store, outbox).await;
    the_audit_trail_keeps_decisions_in_order(store).await;
}

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

/// So that what comes at the same time from two services is handled one after the other.
pub async fn an_auction_is_locked_before_it_has_settlements(store: &dyn SettlementStore) {
    let (settlement, _) = begun(now(store).await);
    let mut first = store.begin().await.unwrap();
    assert!(first.lock_auction(settlement.auction_id()).await.unwrap().is_empty());
    let mut second = store.begin().await.unwrap();
    let mut waiting = second.lock_auction(settlement.auction_id());
    assert!(poll!(&mut waiting).is_pending());
    first.insert(&settlement).await.unwrap();
    first.commit().await.unwrap();
    let locked = waiting.await.unwrap();
    assert_eq!(locked.iter().map(|locked| locked.aggregate.id()).collect::<Vec<_>>(), [settlement.id()]);
}

/// And locks each of them.
pub async fn a_locked_auction_shows_all_its_settlements_in_id_order(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (first, _) = begun(now);
    let mut value = serde_json::to_value(begun(now).0).unwrap();
    value["auction_id"] = serde_json::json!(first.auction_id());
    let second: Settlement = serde_json::from_value(value).unwrap();
    for settlement in [&first, &second] {
        stored(store, settlement, &[]).await;
    }
    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock_auction(first.auction_id()).await.unwrap();
    let mut expected = vec![first.clone(), second];
    expected.sort_by_key(Settlement::id);
    assert!(locked.iter().all(|locked| locked.now >= now));
    assert_eq!(locked.into_iter().map(|locked| locked.aggregate).collect::<Vec<_>>(), expected);
    let mut other = store.begin().await.unwrap();
    assert!(poll!(&mut other.lock(first.id())).is_pending());
}

/// Settlements and early words, and nobody else's.
pub async fn auctions_that_are_locked_together_show_what_is_theirs(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (sold, also_sold, other) = (begun(now).0, begun(now).0, begun(now).0);
    for settlement in [&sold, &also_sold, &other] {
        stored(store, settlement, &[]).await;
    }
    let (unsold, silent) = (AuctionId::from(Uuid::now_v7()), AuctionId::from(Uuid::now_v7()));
    let mut tx = store.begin().await.unwrap();
    tx.lock_auctions(&[unsold, silent]).await.unwrap();
    tx.keep_early(unsold, &Early::Relisted).await.unwrap();
    tx.commit().await.unwrap();

    let auctions = [silent, also_sold.auction_id(), unsold, sold.auction_id()];
    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock_auctions(&auctions).await.unwrap();
    let ids: Vec<_> = locked.iter().map(|locked| locked.aggregate.id()).collect();
    let mut expected = vec![sold.id(), also_sold.id()];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(tx.early_of_all(&auctions).await.unwrap(), [(unsold, Early::Relisted)]);
    let mut other = store.begin().await.unwrap();
    assert!(poll!(&mut other.lock_auction(silent)).is_pending());
}

/// However often it is told.
pub async fn an_early_word_is_kept_once_and_only_if_committed(store: &dyn SettlementStore) {
    let auction = AuctionId::from(Uuid::now_v7());
    let words = [Early::AwardDeclined(somebody("buyer")), Early::Relisted];
    let mut dropped = store.begin().await.unwrap();
    dropped.lock_auction(auction).await.unwrap();
    dropped.keep_early(auction, &words[0]).await.unwrap();
    drop(dropped);
    let mut tx = store.begin().await.unwrap();
    tx.lock_auction(auction).await.unwrap();
    assert!(tx.early(auction).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    for _ in 0..2 {
        let mut tx = store.begin().await.unwrap();
        tx.lock_auction(auction).await.unwrap();
        for word in &words {
            tx.keep_early(auction, word).await.unwrap();
            tx.keep_early(auction, word).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    tx.lock_auction(auction).await.unwrap();
    let kept = tx.early(auction).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert!(words.iter().all(|word| kept.contains(word)));
    let other = AuctionId::from(Uuid::now_v7());
    tx.lock_auction(other).await.unwrap();
    assert!(tx.early(other).await.unwrap().is_empty());
}

/// Second chances, disputes, chargebacks, wishes, holds that were renewed, decisions.
pub async fn a_settlement_off_the_good_path_is_read_as_it_was(store: &dyn SettlementStore) {
    let now = now(store).await;
    let second_chance = Some(OfferDays::default());
    let (sale, _) = begun_of(Lot::Whole { second_chance }, now - TimeDelta::hours(1));
    stored(store, &sale, &[]).await;
    let asker = saga::deadline(sale, now).settlement;
    let offered =
        saga::nominated(asker.clone(), Uuid::now_v7().into(), (somebody("carol"), asker.price()), &crate::fees(), now)
            .unwrap();
    let (offer, _) = offered.offer.unwrap();
    stored(store, &offer, &[]).await;

    let (sold, _) = begun(now);
    stored(store, &sold, &[]).await;
    let act = |settlement: Settlement, act| saga::begin(settlement, act, now).unwrap().settlement;
    let escrowed = escrowed(sold, now).settlement;
    let wished = act(escrowed.clone(), Act::Cancel(escrowed.buyer_id().clone()));
    let id = GatewayRef::from("dp_1".to_owned());
    let claim = Claim { id, amount: Some(escrowed.price()), reason: Some("fraudulent".to_owned()) };
    let charged_back = saga::charged_back(escrowed.clone(), claim, now).settlement;
    let shipped = act(escrowed, Act::Ship(Parcel::new("UPS", "1Z999").unwrap()));
    let disputed = act(shipped, Act::Dispute(somebody("root"), say("It is broken.\nSee the picture.")));
    let testified = act(disputed.clone(), Act::Evidence(disputed.seller_id().clone(), say("It was whole.")));
    let verdict = Verdict::PartRefund { amount: 5 };
    let decision = Decision { by: somebody("root"), verdict, note: None, chargebacks_seen: None };
    let decided = act(testified.clone(), Act::Resolve(decision));
    for settlement in [asker, wished, charged_back, testified, decided] {
        let mut tx = store.begin().await.unwrap();
        tx.lock(settlement.id()).await.unwrap().unwrap();
        tx.save(std::slice::from_ref(&settlement)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.settlement(settlement.id()).await.unwrap(), Some(settlement));
    }
    assert_eq!(store.settlement(offer.id()).await.unwrap(), Some(offer));
}

/// Two first strikes at once are counted one after the other.
pub async fn a_person_without_a_strike_has_a_standing_to_lock(store: &dyn SettlementStore) {
    let user = somebody("buyer");
    assert_eq!(store.standing(&user).await.unwrap(), None);
    let mut first = store.begin().await.unwrap();
    let locked = first.lock_standing(&user).await.unwrap();
    assert_eq!(locked.aggregate, Standing::new(user.clone()));
    let mut second = store.begin().await.unwrap();
    let mut waiting = second.lock_standing(&user);
    assert!(poll!(&mut waiting).is_pending());
    let struck = struck(locked.aggregate, &[locked.now]).0;
    first.save_standings(std::slice::from_ref(&struck)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().aggregate, struck);
    assert_eq!(store.standing(&user).await.unwrap(), Some(struck));
}

/// Whether they had a strike before or not.
pub async fn standings_that_another_one_has_are_passed_over_and_not_waited_for(store: &dyn SettlementStore) {
    let now = now(store).await;
    let [held, to_be, known, new] = ["held", "to-be", "known", "new"].map(somebody);
    let mut tx = store.begin().await.unwrap();
    for user in [&held, &known] {
        let standing = tx.lock_standing(user).await.unwrap().aggregate;
        tx.save_standings(&[struck(standing, &[now]).0]).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut other = store.begin().await.unwrap();
    for user in [&held, &to_be] {
        other.lock_standing(user).await.unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    let free = tx.lock_free_standings(&[held, to_be, known.clone(), new.clone()]).await.unwrap();
    let locked = BTreeSet::from([known.clone(), new.clone()]);
    assert_eq!(free, FreeStandings { locked, unreadable: BTreeSet::new() });
    assert_eq!(tx.lock_standing(&known).await.unwrap().aggregate.strikes().len(), 1, "and may be struck");
    assert!(poll!(&mut other.lock_standing(&new)).is_pending());
}

/// Strikes for unpaid lots at these moments, and what was told of them.
fn struck(standing: Standing, at: &[DateTime<Utc>]) -> (Standing, Vec<settlement_domain::StandingEvent>) {
    at.iter().fold((standing, Vec::new()), |(standing, mut events), at| {
        let strike = Strike { settlement_id: Uuid::now_v7().into(), role: Role::Buyer, at: *at };
        let (standing, event) = standing.struck(strike);
        events.extend(event);
        (standing, events)
    })
}

async fn due(tx: &mut dyn SettlementTx, user: &UserId) -> Option<Standing> {
    let due = tx.lock_due_standings(MANY).await.unwrap();
    due.into_iter().map(|locked| locked.aggregate).find(|standing| standing.user_id() == user)
}

/// And passed over while it is locked.
pub async fn a_standing_is_due_until_it_is_saved_as_not_due(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (suspended, free) = (somebody("suspended"), somebody("free"));
    let long_ago = now - TimeDelta::days(400);
    let (standing, _) = struck(Standing::new(suspended.clone()), &[long_ago, long_ago]);
    let (one_strike, _) = struck(Standing::new(free.clone()), &[long_ago]);
    let mut tx = store.begin().await.unwrap();
    tx.lock_standing(&suspended).await.unwrap();
    tx.lock_standing(&free).await.unwrap();
    tx.save_standings(&[standing.clone(), one_strike]).await.unwrap();
    tx.commit().await.unwrap();

    let mut first = store.begin().await.unwrap();
    assert_eq!(due(first.as_mut(), &suspended).await, Some(standing.clone()));
    let mut second = store.begin().await.unwrap();
    assert_eq!(due(second.as_mut(), &suspended).await, None, "another one has it");
    assert_eq!(due(second.as_mut(), &free).await, None, "nothing is to end");
    drop(second);
    let (reinstated, event) = standing.time_passed(now);
    first.save_standings(&[reinstated]).await.unwrap();
    first.record_standings(&event.into_iter().collect::<Vec<_>>()).await.unwrap();
    first.commit().await.unwrap();
    soon(async || due(store.begin().await.unwrap().as_mut(), &suspended).await.is_none()).await;
}

/// With the person's `sub` as their key.
pub async fn events_of_a_standing_come_out_in_order_by_its_person(store: &dyn SettlementStore, outbox: &dyn Outbox) {
    let (user, now) = (somebody("buyer"), now(store).await);
    let (standing, suspended) = struck(Standing::new(user.clone()), &[now, now]);
    let (standing, reinstated) = standing.reinstated(now).unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.lock_standing(&user).await.unwrap();
    tx.save_standings(&[standing]).await.unwrap();
    tx.record_standings(&suspended).await.unwrap();
    tx.record_standings(&[reinstated]).await.unwrap();
    tx.commit().await.unwrap();
    let records = outbox.batch(MANY).await.unwrap().into_iter().filter(|record| record.key == user.as_str());
    let told: Vec<_> = records.map(|record| (record.sequence, record.event_type)).collect();
    let name = |event: &str| format!("outcry.settlement.bidder.{event}.v1");
    assert_eq!(told, [(1, name("suspended")), (2, name("reinstated"))]);
}

/// Each with who, what, why and when.
pub async fn the_audit_trail_keeps_decisions_in_order(store: &dyn SettlementStore) {
    let at = now(store).await;
    let (settlement, _) = begun(at);
    stored(store, &settlement, &[]).await;
    let resolution = |verdict, note: Option<&str>| Resolution {
        settlement_id: settlement.id(),
        by: somebody("root"),
        verdict,
        note: note.map(say),
        status: settlement.status(),
        at,
    };
    let trail = [
        resolution(Verdict::Retry, Some("The gateway is back.")),
        resolution(Verdict::PartRefund { amount: 5 }, None),
        resolution(Verdict::Close, Some("It runs out.")),
    ];
    let mut dropped = store.begin().await.unwrap();
    dropped.note_resolutions(&trail).await.unwrap();
    drop(dropped);
    for resolution in &trail {
        let mut tx = store.begin().await.unwrap();
        tx.note_resolutions(std::slice::from_ref(resolution)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(store.resolutions(settlement.id()).await.unwrap(), trail);

    let reinstatement = Reinstatement { user_id: somebody("buyer"), by: somebody("root"), note: None, at };
    let mut tx = store.begin().await.unwrap();
    tx.note_reinstatement(&reinstatement).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.resolutions(settlement.id()).await.unwrap().len(), 3, "that is another matter");
}
