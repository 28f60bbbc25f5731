//! A lot that is listed again: the new listing is published from its first row on, and there is one of it.

use chrono::TimeDelta;
use listing_domain::{
    ids::ListingId,
    listing::{Fact, Listing},
    relisting::Relisting,
};
use listing_ports::{
    error::StoreError,
    store::{ListingStore, Sort},
};

use super::{fresh_id, live, sealed};
use crate::{contract::by_seller, world};

/// A lot that was not sold, in the store.
async fn unsold(store: &dyn ListingStore) -> Result<Listing, StoreError> {
    let live = live(store, sealed()).await?;
    let mut tx = store.begin().await?;
    let locked = tx.lock(live.id).await?.expect("it is there");
    let mut unsold = live;
    unsold.terms.second_chance = true;
    unsold.terms.second_chance_days = Some(5);
    let closed = Fact::AuctionClosed { sold: false, price: None, bid_count: 2, ended_at: locked.now };
    let unsold = unsold.follow(closed, locked.now).expect("closes");
    tx.save(&unsold).await?;
    tx.commit().await?;
    Ok(unsold)
}

async fn relisted(store: &dyn ListingStore, listing: ListingId) -> Result<Relisting, StoreError> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(listing).await?.expect("it is there");
    let relisting = locked.listing.relist_by_seller(fresh_id(), locked.now).expect("relistable");
    tx.insert(&relisting.new).await?;
    tx.save(&relisting.old).await?;
    tx.record(&relisting.events).await?;
    tx.commit().await?;
    Ok(relisting)
}

pub(super) async fn a_lot_that_is_listed_again_is_read_back_on_both_sides(
    store: &dyn ListingStore,
) -> Result<(), StoreError> {
    let listing = unsold(store).await?;
    let Relisting { old, new, .. } = relisted(store, listing.id).await?;
    assert_eq!(store.find(old.id).await?.as_ref(), Some(&old));
    assert_eq!(store.find(new.id).await?.as_ref(), Some(&new));
    let locked = store.begin().await?.lock(new.id).await?.expect("it is there").listing;
    assert_eq!(locked, new, "a unit of work reads the same");
    let mut query = by_seller(&listing.seller.0, Sort::Newest);
    query.status = Some("scheduled".to_owned());
    let listed = store.browse(&query).await?.listings;
    assert!(listed.contains(&new), "it is for sale");

    // Both go on like other listings.
    let now = new.created_at + TimeDelta::seconds(1);
    let live = new.follow(Fact::AuctionOpened, now).expect("opens");
    let told = old.follow(world::sale_status("failed", now), now).expect("a late word");
    let mut tx = store.begin().await?;
    tx.lock_standings(&[live.id, told.id]).await?;
    tx.save_standings(&[live.standing(), told.standing()]).await?;
    tx.commit().await?;
    assert_eq!(store.find(live.id).await?, Some(live));
    assert_eq!(store.find(told.id).await?, Some(told));
    Ok(())
}

pub(super) async fn a_lot_is_listed_again_once(store: &dyn ListingStore) -> Result<(), StoreError> {
    let listing = unsold(store).await?;
    let Relisting { new, .. } = relisted(store, listing.id).await?;
    let another = Listing { id: fresh_id(), ..new.clone() };
    let mut tx = store.begin().await?;
    assert_eq!(tx.insert(&another).await, Err(StoreError::Conflict), "whatever the old listing says");
    drop(tx);
    assert_eq!(store.find(another.id).await?, None);
    assert_eq!(store.find(new.id).await?, Some(new));
    Ok(())
}
