//! The cache with a clock that is moved by hand and fetches that end when the test says so.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::egress::testing::{ManualClock, facts};
use llm_host_vault::Secret;

/// A service that gives out `token-1`, `token-2`, …, each when the test allows it.
struct Service {
    clock: Arc<ManualClock>,
    asked: AtomicUsize,
    allowed: Semaphore,
    waiting: Notify,
    life: Duration,
    failure: Mutex<Option<TokenError>>,
}

struct World {
    cache: Arc<TokenCache<Secret>>,
    service: Arc<Service>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new(life: Duration) -> Self {
        let clock = Arc::<ManualClock>::default();
        let service = Service {
            clock: Arc::clone(&clock),
            asked: AtomicUsize::new(0),
            allowed: Semaphore::new(0),
            waiting: Notify::new(),
            life,
            failure: Mutex::default(),
        };
        Self {
            cache: Arc::new(TokenCache::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            service: Arc::new(service),
            clock,
        }
    }

    /// One whose fetches need not be allowed.
    fn open(life: Duration) -> Self {
        let world = Self::new(life);
        world.service.allowed.add_permits(1000);
        world
    }

    fn key(&self) -> TokenKey {
        TokenKey::new(&facts("demo"), "scope")
    }

    async fn get_for(&self, key: TokenKey) -> Result<String, TokenError> {
        let service = Arc::clone(&self.service);
        let token = self.cache.get(&key, move || service.fetch()).await?;
        Ok(token.expose().to_owned())
    }

    async fn get(&self) -> Result<String, TokenError> {
        self.get_for(self.key()).await
    }

    fn asked(&self) -> usize {
        self.service.asked.load(Ordering::SeqCst)
    }

    /// Lets the tasks that can go on do so. The runtime is single-threaded, and a fetch that may
    /// end needs only a few turns.
    async fn settle(&self) {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    fn fail(&self, error: Option<TokenError>) {
        *self.service.failure.lock().unwrap() = error;
    }
}

impl Service {
    async fn fetch(self: Arc<Self>) -> Result<Fetched<Secret>, TokenError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.waiting.notify_one();
        self.allowed.acquire().await.unwrap().forget();
        if let Some(error) = self.failure.lock().unwrap().clone() {
            return Err(error);
        }
        Ok(Fetched {
            token: Secret::new(format!("token-{number}")),
            expires: Some(self.clock.now() + self.life),
            refresh: None,
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn one_fetch_however_many_wait() {
    let world = Arc::new(World::new(HOUR));
    let asking = (0..50).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.get().await })
    });
    let asking: Vec<_> = asking.collect();
    world.settle().await;
    assert_eq!(world.asked(), 1);
    world.service.allowed.add_permits(1);
    for answer in asking {
        assert_eq!(answer.await.unwrap().unwrap(), "token-1");
    }
    assert_eq!(world.get().await.unwrap(), "token-1");
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cancel_the_fetch() {
    let world = Arc::new(World::new(HOUR));
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.get().await }
    });
    world.service.waiting.notified().await;
    let second = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.get().await }
    });
    world.settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.service.allowed.add_permits(1);
    assert_eq!(second.await.unwrap().unwrap(), "token-1");
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_token_that_nears_its_end_is_used_while_the_next_is_fetched() {
    let world = World::new(HOUR);
    world.service.allowed.add_permits(1);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.clock.advance(HOUR - REFRESH_AHEAD - SECOND);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.settle().await;
    assert_eq!(world.asked(), 1, "it is good for a while yet");
    world.clock.advance(SECOND);
    for _ in 0..10 {
        assert_eq!(world.get().await.unwrap(), "token-1", "nobody waits for the next one");
    }
    world.settle().await;
    assert_eq!(world.asked(), 2, "one fetch for all of them");
    world.service.allowed.add_permits(1);
    world.settle().await;
    assert_eq!(world.get().await.unwrap(), "token-2");
}

#[tokio::test]
async fn a_token_that_was_refused_is_fetched_anew_once_it_is_not_new() {
    let world = World::open(HOUR);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.cache.refused(&world.key());
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.settle().await;
    assert_eq!(world.asked(), 1, "it has only just come");
    world.clock.advance(MINUTE);
    world.cache.refused(&world.key());
    assert_eq!(world.get().await.unwrap(), "token-1", "it may be good elsewhere");
    world.settle().await;
    assert_eq!((world.get().await.unwrap().as_str(), world.asked()), ("token-2", 2));
    world.cache.refused(&TokenKey::new(&facts("demo"), "another"));
}

#[tokio::test]
async fn a_token_is_not_used_when_it_could_expire_on_its_way() {
    let world = World::open(HOUR);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.clock.advance(HOUR - EXPIRY_MARGIN);
    assert_eq!(world.get().await.unwrap(), "token-2");
    // A short life has a margin in proportion.
    let world = World::open(10 * SECOND);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.clock.advance(4 * SECOND);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.settle().await;
    assert_eq!(world.asked(), 1, "half of its life is not over");
    world.clock.advance(5 * SECOND);
    assert_eq!(world.get().await.unwrap(), "token-2");
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_token_while_it_is_good() {
    let world = World::open(HOUR);
    assert_eq!(world.get().await.unwrap(), "token-1");
    let failure = TokenError::passing("the service is away");
    world.fail(Some(failure.clone()));
    world.clock.advance(HOUR - REFRESH_AHEAD);
    for _ in 0..5 {
        assert_eq!(world.get().await.unwrap(), "token-1");
        world.settle().await;
    }
    assert_eq!(world.asked(), 2, "the failure is not repeated at once");
    world.clock.advance(FIRST_PAUSE);
    assert_eq!(world.get().await.unwrap(), "token-1");
    world.settle().await;
    assert_eq!(world.asked(), 3);
    world.clock.advance(REFRESH_AHEAD);
    assert_eq!(world.get().await, Err(failure), "its time is over");
    world.fail(None);
    world.clock.advance(LONGEST_PAUSE);
    assert_eq!(world.get().await.unwrap(), "token-5");
}

#[tokio::test]
async fn failures_are_told_to_all_and_tried_again_after_a_pause_that_grows() {
    let world = World::open(HOUR);
    let failure = TokenError::lasting("wrong secret");
    world.fail(Some(failure.clone()));
    assert_eq!(world.get().await, Err(failure.clone()));
    let mut pauses = Vec::new();
    for attempt in 2..=8 {
        let mut pause = 0;
        while world.asked() < attempt {
            pause += 1;
            world.clock.advance(SECOND);
            assert_eq!(world.get().await, Err(failure.clone()));
        }
        pauses.push(pause);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60]);
    world.fail(None);
    world.clock.advance(LONGEST_PAUSE);
    assert_eq!(world.get().await.unwrap(), "token-9");
}

#[tokio::test]
async fn a_service_is_left_alone_for_as_long_as_it_asks() {
    let world = World::open(HOUR);
    for (asked, wait) in [
        (7 * SECOND, 7 * SECOND),
        (Duration::ZERO, 2 * SECOND),
        (100 * HOUR, LONGEST_RETRY_AFTER),
    ] {
        let before = world.asked();
        let failure = TokenError {
            retry_after: Some(asked),
            ..TokenError::passing("too many requests")
        };
        world.fail(Some(failure.clone()));
        assert_eq!(world.get().await, Err(failure.clone()));
        world.clock.advance(wait - SECOND);
        let told = world.get().await.unwrap_err();
        assert_eq!((told.reason, told.retry_after), (failure.reason, Some(SECOND)));
        assert_eq!(world.asked(), before + 1);
        world.clock.advance(SECOND);
    }
    world.fail(None);
    assert_eq!(world.get().await.unwrap(), "token-4");
}

#[tokio::test]
async fn another_secret_means_another_token() {
    let world = World::open(HOUR);
    let state = |version: &str| CredentialFacts {
        version: Version::of([version]),
        ..facts("demo")
    };
    assert_eq!(
        world.get_for(TokenKey::new(&state("old"), "scope")).await.unwrap(),
        "token-1"
    );
    assert_eq!(
        world.get_for(TokenKey::new(&state("old"), "other")).await.unwrap(),
        "token-2"
    );
    for _ in 0..3 {
        // Each reload of the vault makes the facts anew.
        assert_eq!(
            world.get_for(TokenKey::new(&state("old"), "scope")).await.unwrap(),
            "token-1"
        );
    }
    assert_eq!(
        world.get_for(TokenKey::new(&state("new"), "scope")).await.unwrap(),
        "token-3"
    );
    let kept = world.cache.cells.lock().unwrap().len();
    assert_eq!(kept, 1, "the tokens of the earlier secret are forgotten");
}

#[tokio::test]
async fn tokens_that_nobody_asks_for_are_forgotten() {
    let world = World::open(MINUTE);
    for name in ["a", "b"] {
        let facts = CredentialFacts {
            name: name.into(),
            ..facts("demo")
        };
        world.get_for(TokenKey::new(&facts, "")).await.unwrap();
    }
    assert_eq!(world.cache.cells.lock().unwrap().len(), 2);
    world.clock.advance(MINUTE);
    world.get().await.unwrap();
    assert_eq!(world.cache.cells.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_may_say_when_to_come_back_and_a_token_may_be_endless() {
    let clock = Arc::<ManualClock>::default();
    let cache = TokenCache::<u32>::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let key = TokenKey::new(&facts("demo"), "");
    let at = |after: Duration| Some(SystemTime::UNIX_EPOCH + after);
    let start = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let fetched = |token, expires, refresh| {
        move || async move {
            Ok(Fetched {
                token,
                expires,
                refresh,
            })
        }
    };
    let first = fetched(1, at(start + 24 * HOUR), at(start + 12 * HOUR));
    assert_eq!(*cache.get(&key, first).await.unwrap(), 1);
    clock.advance(12 * HOUR);
    let second = fetched(2, None, None);
    assert_eq!(*cache.get(&key, second).await.unwrap(), 1);
    tokio::task::yield_now().await;
    clock.advance(1000 * HOUR);
    for _ in 0..2 {
        assert_eq!(*cache.get(&key, fetched(3, None, None)).await.unwrap(), 2);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_that_has_expired_on_arrival_names_the_clock() {
    let world = World::open(Duration::ZERO);
    let error = world.get().await.unwrap_err();
    assert!(error.reason.contains("clock") && error.retryable, "{error:?}");
}

#[tokio::test]
async fn a_fetch_that_panics_has_failed() {
    let world = World::open(HOUR);
    let key = world.key();
    let failing = world.cache.get(&key, || async { panic!("canary") }).await;
    assert_eq!(failing.map(drop), Err(stopped()));
    world.clock.advance(FIRST_PAUSE);
    assert_eq!(world.get().await.unwrap(), "token-1");
}

#[tokio::test(start_paused = true)]
async fn no_fetch_takes_for_ever() {
    let world = World::new(HOUR);
    let error = world.get().await.unwrap_err();
    assert!(error.reason.contains("60 s") && error.retryable, "{error:?}");
}

#[tokio::test]
async fn fetches_end_with_the_cache() {
    let World { cache, service, clock } = World::new(HOUR);
    let key = TokenKey::new(&facts("demo"), "scope");
    {
        let fetching = service.clone();
        let waiting = cache.get(&key, move || fetching.fetch());
        tokio::select! {
            _ = waiting => panic!("nothing was allowed"),
            () = service.waiting.notified() => {}
        }
    }
    drop(cache);
    while Arc::strong_count(&service) > 1 {
        tokio::task::yield_now().await;
    }
    drop(clock);
}
