//! The saga against a plain model of it: random commands, time and answers of the gateway, by seed. The model knows
//! names, moments and sums, and nothing of tables, calls or ledgers; whatever it foretells, the saga has to do.
//!
//! `OUTCRY_SEEDS=1000000` plays more histories, `OUTCRY_SEED=<seed>` one of them again.

mod plain;
mod world;

use plain::Plain;
use settlement_harness::seeds::{Dice, histories};
use world::{COMMANDS, World};

/// Of the histories of a run, percent.
const SHARE: u64 = 95;

fn play(dice: &mut Dice) {
    let (price, commission_bps) = (dice.pick(&[1, 2, 99, 12_050, 9_999_999]), dice.pick(&[0, 1_000, 10_000]));
    let second_chance = dice.falls(70);
    let mut world = World::sold(price, commission_bps, second_chance);
    let mut plain = Plain::sold(price, i64::from(commission_bps), second_chance, world.now);
    for _ in 0..dice.roll(40) + 5 {
        step(&mut world, &mut plain, dice.pick(&COMMANDS), dice);
    }
    // From here on everybody does what there is to do: every history ends, and the money is where it belongs.
    for _ in 0..100 {
        if plain.is_over() {
            break;
        }
        let command = world.what_has_to_be_done();
        step(&mut world, &mut plain, command, dice);
    }
    assert!(plain.is_over(), "{plain:?} does not end\n{}", world.story());
    world.books_agree();
}

fn step(world: &mut World, plain: &mut Plain, command: world::Command, dice: &mut Dice) {
    let said = world.hears(command, dice);
    let foretold = plain.hears(command, &said);
    let story = || format!("in {plain:?}\n{}", world.story());
    assert_eq!(said.accepted, foretold, "whether {command:?} is taken {}", story());
    assert_eq!(world.status(), plain.status(), "status {}", story());
    assert_eq!(
        world.sums(),
        (plain.captured, plain.refunded, plain.paid_out),
        "captured, refunded, paid out {}",
        story()
    );
    assert_eq!(world.charged_back_for_good(), plain.charged_back, "kept by banks {}", story());
    assert_eq!(world.strikes(), plain.strikes, "strikes of buyer and seller {}", story());
    assert_eq!(world.asks(), (plain.requests, plain.relistings), "requests, relistings {}", story());
}

#[test]
fn the_saga_does_what_a_plain_model_of_it_foretells() {
    histories(SHARE, play);
}
