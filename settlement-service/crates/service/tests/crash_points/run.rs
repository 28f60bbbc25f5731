//! One run: each story is told once undisturbed, which shows where it can be cut; then each party plays a story that is cut
//! at one point. Whose story was cut plays on while the next one's is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, try_join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::books::{self, Picture};
use crate::party::Party;
use crate::point::{Moment, Point};
use crate::say;
use crate::story::{Story, hammer, play, play_on};
use crate::watch::Seen;
use crate::world::World;

/// A point is come to within this time.
const REACHED_WITHIN: Duration = Duration::from_secs(90);
/// Which of two things comes first can be a matter of luck: so many parties try to come to a point.
const TRIES: usize = 3;
/// Parties beyond those that are needed if each point is come to at once.
const SPARE: usize = 2 * TRIES;
/// A kill is noticed within this time; only then is it certain that there was none.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A story that was cut, and is played on.
struct Cut {
    point: Point,
    party: Arc<Party>,
    played: Played,
}

/// How playing a story ended; may be asked for more than once.
type Played = Shared<BoxFuture<'static, Result<(), String>>>;

/// A run.
pub struct Run {
    world: Arc<World>,
    /// Everybody that there ever was.
    parties: Vec<Arc<Party>>,
    /// Those whose story waits to be played.
    waiting: Vec<Arc<Party>>,
    /// Those whose story was not disturbed.
    undisturbed: Vec<Arc<Party>>,
    cut: Vec<Cut>,
}

impl Run {
    pub fn new(world: World) -> Self {
        let (parties, waiting, undisturbed) = (Vec::new(), Vec::new(), Vec::new());
        Self { world: Arc::new(world), parties, waiting, undisturbed, cut: Vec::new() }
    }

    /// Tells each story once, and has enough parties wait that each of its points can be come to. The points.
    pub async fn record(&mut self) -> Result<Vec<Point>> {
        let mut stories = Story::ALL;
        stories.sort_by_key(|story| story.ship_due_s());
        let mut points = Vec::new();
        for stories in stories.chunk_by(|one, next| one.ship_due_s() == next.ship_due_s()) {
            self.world.service.kill().await;
            self.starts(stories[0].ship_due_s()).await?;
            for story in stories {
                let seen = self.learn(*story).await.with_context(|| format!("{}, undisturbed", story.name()))?;
                let found = points_of(*story, &seen);
                say(&format!("{}: {} points. {seen}", story.name(), found.len()));
                let parties = self.arrive(*story, found.len() + SPARE)?;
                if !story.has_hammer() {
                    try_join_all(parties.iter().map(|party| hammer(&self.world, party))).await?;
                }
                self.waiting.extend(parties);
                points.extend(found);
            }
        }
        Ok(points)
    }

    /// What is seen of a story, twice the same: on a machine that is busy one thing may overtake another.
    async fn learn(&mut self, story: Story) -> Result<Seen> {
        let mut seen = self.tell(story).await?;
        for _ in 0..TRIES {
            let before = std::mem::replace(&mut seen, self.tell(story).await?);
            if before == seen {
                return Ok(seen);
            }
            say(&format!("{} is told in more than one way: {before}. {seen}", story.name()));
        }
        anyhow::bail!("it is never told twice in the same way")
    }

    async fn tell(&mut self, story: Story) -> Result<Seen> {
        let (world, party) = (Arc::clone(&self.world), self.arrive(story, 1)?.remove(0));
        if story.has_hammer() {
            world.watch.follow(Arc::clone(&party), None);
            hammer(&world, &party).await?;
        } else {
            hammer(&world, &party).await?;
            world.database.has_told_all().await?;
            world.watch.follow(Arc::clone(&party), None);
            play_on(&world, &party).await?;
        }
        world.database.has_told_all().await?;
        let seen = world.watch.seen();
        if story.has_hammer() {
            play_on(&world, &party).await?;
        }
        self.undisturbed.push(party);
        Ok(seen)
    }

    fn arrive(&mut self, story: Story, count: usize) -> Result<Vec<Arc<Party>>> {
        let arrived: Vec<_> = (0..count).map(|_| Arc::new(Party::new(story))).collect();
        self.parties.extend(arrived.iter().cloned());
        self.world.sellers_have_accounts(self.parties.iter().map(AsRef::as_ref))?;
        Ok(arrived)
    }

    async fn starts(&self, ship_due_s: u32) -> Result<()> {
        self.world.service.start(&self.world.people.http, ship_due_s).await
    }

    /// Kills the service at each of the points, and starts it again.
    pub async fn cut(&mut self, points: &[Point]) -> Result<()> {
        for (place, point) in points.iter().enumerate() {
            let begun = Instant::now();
            self.cut_at(*point).await.with_context(|| format!("on the way to {point}"))?;
            // For the last one it is waited as long as it takes.
            if place + 1 < points.len() {
                self.world.database.lets_the_dead_relays_lease_run_out().await?;
            }
            // What is sold from now on is sold in the story that begins with it.
            self.starts(Story::Hammer.ship_due_s()).await?;
            say(&format!("{:3}/{} killed at {point}, {:.1} s", place + 1, points.len(), begun.elapsed().as_secs_f64()));
        }
        Ok(())
    }

    async fn cut_at(&mut self, point: Point) -> Result<()> {
        for _ in 0..TRIES {
            let place = self.waiting.iter().position(|party| party.story == point.story);
            let party = self.waiting.remove(place.context("nobody waits to play it")?);
            if Moment::OF_EVENTS.contains(&point.moment) {
                // The relay is at work, and has nothing else to do.
                self.world.database.has_told_all().await?;
            }
            self.world.watch.follow(Arc::clone(&party), Some((point.moment, point.number)));
            let played = self.plays(Arc::clone(&party));
            let killed = timeout(REACHED_WITHIN, self.is_killed(played.clone())).await;
            if killed.context("it is not come to, and the story does not end")?? {
                self.cut.push(Cut { point, party, played });
                return Ok(());
            }
            say(&format!("the story ended without having come to {point}: {}", self.world.watch.seen()));
        }
        anyhow::bail!("{TRIES} parties did not come to it")
    }

    /// By itself, from now on.
    fn plays(&self, party: Arc<Party>) -> Played {
        let world = Arc::clone(&self.world);
        let playing = tokio::spawn(async move { play(&world, &party).await.map_err(|error| format!("{error:#}")) });
        playing.map(|ended| ended.map_err(|error| error.to_string()).flatten()).boxed().shared()
    }

    /// Whether the service was killed; if not, the story is over, and was told.
    async fn is_killed(&self, played: Played) -> Result<bool> {
        let world = &self.world;
        let over = async {
            played.await.map_err(Error::msg)?;
            world.database.has_told_all().await?;
            sleep(NOTICED_WITHIN).await;
            Ok(false)
        };
        let ended = async {
            loop {
                world.service.must_run().await?;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            () = world.watch.killed() => Ok(true),
            over = over => over,
            ended = ended => ended,
        }
    }

    /// Lets all stories end. What is not as it should be, with the point at which the story was cut.
    pub async fn end(self) -> Result<Vec<(Option<Point>, String)>> {
        let world = &self.world;
        let mut wrong = Vec::new();
        let mut over = self.undisturbed.iter().map(|party| (None, Arc::clone(party))).collect::<Vec<_>>();
        for cut in self.cut {
            match cut.played.await {
                Ok(()) => over.push((Some(cut.point), cut.party)),
                Err(error) => wrong.push((Some(cut.point), error)),
            }
        }
        say("all stories are over, and are compared");
        let quiet = [
            world.database.has_made_all_calls().await,
            world.database.has_told_all().await,
            world.service.must_run().await,
        ];
        let told = world.broker.all_that_was_told().await?;
        let agreed = books::agree(world, &self.parties, &told).await;
        let errors = quiet.into_iter().chain([agreed]).filter_map(Result::err);
        wrong.extend(errors.map(|error| (None, format!("{error:#}"))));
        let mut pictures: Vec<(Story, Picture)> = Vec::new();
        for (point, party) in over {
            let seen = async {
                world.people.say_all_again(&party).await?;
                let picture = Picture::of(world, &party, &told).await?;
                match pictures.iter().find(|(story, _)| *story == party.story) {
                    Some((_, whole)) => ensure!(picture == *whole, "it is {picture:?}\nand undisturbed {whole:?}"),
                    None => pictures.push((party.story, picture)),
                }
                Ok(())
            };
            if let Err(error) = seen.await {
                wrong.push((point, format!("{error:#}")));
            }
        }
        Ok(wrong)
    }
}

/// Where a story can be cut, by what was seen when it was told.
fn points_of(story: Story, seen: &Seen) -> Vec<Point> {
    let point = |moment, number| Point { story, moment, number };
    let each = |moments: &[Moment], numbers: Vec<usize>| -> Vec<Point> {
        numbers.into_iter().flat_map(|number| moments.iter().map(move |moment| point(*moment, number))).collect()
    };
    let commits = each(&Moment::OF_COMMITS, (1..=seen.commits.len()).collect());
    let calls = each(&Moment::OF_CALLS, (1..=seen.calls.len()).collect());
    let events = each(&Moment::OF_EVENTS, seen.events.keys().copied().collect());
    [commits, calls, events].concat()
}
