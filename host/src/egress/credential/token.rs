//! Tokens: fetched once however many requests wait, and kept until shortly before they expire.
//!
//! In: which token is wanted ([`TokenKey`]) and how to fetch it. Out: one that is good now, or why
//! there is none ([`TokenError`]). Never: a token of a credential's earlier secret, a second fetch
//! beside one that is running, or a token on disk.
//!
//! The cache belongs to [`Identity`](super::Identity), which outlives every state of the vault: what
//! a reload leaves unchanged keeps its tokens, and what it changed has another
//! [`Version`](super::Version) and so another key. A fetch runs in a task of its own; a caller that
//! goes away cancels its waiting, not the fetch that others wait for. Fetches end with the cache.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::attach::AttachError;
use super::store::{CredentialFacts, Version};
use crate::clock::Clock;

/// How long before its end a token is fetched anew, while the old one goes on being used. A token
/// that lives for less than twice as long is fetched anew after half its life.
const REFRESH_AHEAD: Duration = Duration::from_secs(5 * 60);
/// How long before its end a token is no longer used, so that it does not expire on its way. At
/// most a tenth of its life.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);
/// How old a token has to be that is fetched anew because a service refused it.
const REFUSED_AFTER: Duration = Duration::from_secs(60);
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that the host makes by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a service may ask for. One that asks for more is tried again then.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// The longest that a fetch may take, whatever limits it has of its own.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Which token: of which credential, in which state, for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenKey {
    credential: Arc<str>,
    version: Version,
    purpose: Arc<str>,
}

impl TokenKey {
    /// A credential's token for a purpose, e.g. a scope; empty where it has only one.
    pub fn new(facts: &CredentialFacts, purpose: &str) -> Self {
        Self {
            credential: Arc::clone(&facts.name),
            version: facts.version,
            purpose: purpose.into(),
        }
    }
}

/// What a fetch gave.
pub struct Fetched<T> {
    /// The token. It overwrites its memory when it is dropped.
    pub token: T,
    /// When it ends; `None` when it does not.
    pub expires: Option<SystemTime>,
    /// When to fetch the next, where the service says so; shortly before the end otherwise.
    pub refresh: Option<SystemTime>,
}

/// Why there is no token. The text is for the admin and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenError {
    /// What happened and what to do about it.
    pub reason: String,
    /// Whether a later attempt may succeed without anyone doing anything.
    pub retryable: bool,
    /// How long the service asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl TokenError {
    /// A failure that time may heal.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retryable: true,
            retry_after: None,
        }
    }

    /// A failure that somebody has to do something about.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self {
            retryable: false,
            ..Self::passing(reason)
        }
    }
}

impl From<TokenError> for AttachError {
    fn from(error: TokenError) -> Self {
        let TokenError { reason, retryable, .. } = error;
        Self::Token { reason, retryable }
    }
}

/// Tokens of one type.
pub struct TokenCache<T> {
    clock: Arc<dyn Clock>,
    cells: Mutex<HashMap<TokenKey, Arc<Cell<T>>>>,
    ended: CancellationToken,
    _ends: DropGuard,
}

type Outcome<T> = Result<Arc<T>, TokenError>;
type Running<T> = Shared<BoxFuture<'static, Outcome<T>>>;

/// The place of one token.
struct Cell<T> {
    credential: Arc<str>,
    state: Mutex<State<T>>,
}

struct State<T> {
    held: Option<Held<T>>,
    running: Option<Running<T>>,
    failed: Option<Failed>,
}

struct Held<T> {
    token: Arc<T>,
    /// When it came.
    since: SystemTime,
    /// From when on the next is fetched.
    refresh: Option<SystemTime>,
    /// Until when it is used.
    usable: Option<SystemTime>,
}

struct Failed {
    error: TokenError,
    pause: Duration,
    until: SystemTime,
}

impl<T: Send + Sync + 'static> TokenCache<T> {
    /// An empty cache that goes by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let ended = CancellationToken::new();
        Self {
            clock,
            cells: Mutex::default(),
            _ends: ended.clone().drop_guard(),
            ended,
        }
    }

    /// The token: the one that is held, while it is good; else the one that is being fetched, by
    /// `fetch` if nobody does so yet. When a held token nears its end, the next is fetched while this
    /// one is given. `fetch` is only called to start a fetch, and must not block.
    ///
    /// # Errors
    /// Why the fetch failed. Until the pause after a failure is over, every caller is told the
    /// same, unless the earlier token is still good.
    pub async fn get<F, Fetch>(&self, key: &TokenKey, fetch: F) -> Outcome<T>
    where
        F: FnOnce() -> Fetch,
        Fetch: Future<Output = Result<Fetched<T>, TokenError>> + Send + 'static,
    {
        let cell = self.cell(key);
        let now = self.clock.now();
        let running = {
            let mut state = cell.lock();
            let held = state.held.as_ref().filter(|held| !past(held.usable, now));
            let pausing = state.failed.as_ref().filter(|failed| now < failed.until);
            match (held, &state.running, pausing) {
                (Some(held), running, pausing) => {
                    let token = Arc::clone(&held.token);
                    if past(held.refresh, now) && running.is_none() && pausing.is_none() {
                        state.running = Some(self.start(&cell, fetch()));
                    }
                    return Ok(token);
                }
                (None, Some(running), _) => running.clone(),
                (None, None, Some(failed)) => return Err(failed.error_at(now)),
                (None, None, None) => {
                    let running = self.start(&cell, fetch());
                    state.running = Some(running.clone());
                    running
                }
            }
        };
        running.await
    }

    /// A service has refused the token that is held, as one that it does not know or that has ended.
    /// The next is fetched when somebody asks again, while this one goes on being used: it may be good
    /// elsewhere. A token that has only just come is left alone, so that a service that refuses every
    /// one does not have the host fetch them all day.
    pub fn refused(&self, key: &TokenKey) {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cell) = cells.get(key).map(Arc::clone) else {
            return;
        };
        drop(cells);
        let now = self.clock.now();
        let mut state = cell.lock();
        if let Some(held) = state.held.as_mut()
            && past(held.since.checked_add(REFUSED_AFTER), now)
        {
            tracing::info!(
                credential = &*cell.credential,
                "the token was refused; the next is fetched early"
            );
            held.refresh = Some(now);
        }
    }

    fn cell(&self, key: &TokenKey) -> Arc<Cell<T>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(key) {
            return Arc::clone(cell);
        }
        // A new key is a rare moment, and the one at which others become superfluous: those of the
        // same credential's earlier state, and those that nobody has asked for until they ended.
        let now = self.clock.now();
        cells.retain(|other, cell| {
            let superseded = other.credential == key.credential && other.version != key.version;
            !superseded && !cell.lock().is_over(now)
        });
        let cell = Arc::new(Cell {
            credential: Arc::clone(&key.credential),
            state: Mutex::default(),
        });
        cells.insert(key.clone(), Arc::clone(&cell));
        cell
    }

    /// Starts a fetch. The cell's lock is held, so what it gives is noted after `running` is.
    fn start<Fetch>(&self, cell: &Arc<Cell<T>>, fetch: Fetch) -> Running<T>
    where
        Fetch: Future<Output = Result<Fetched<T>, TokenError>> + Send + 'static,
    {
        let (cell, clock, ended) = (Arc::clone(cell), Arc::clone(&self.clock), self.ended.clone());
        let task = tokio::spawn(async move {
            // A fetch that panics has failed; those who wait for it must not wait for ever.
            let fetch = AssertUnwindSafe(tokio::time::timeout(FETCH_LIMIT, fetch)).catch_unwind();
            let result = match ended.run_until_cancelled(fetch).await {
                Some(Ok(Ok(result))) => result,
                Some(Ok(Err(_))) => Err(TokenError::passing(format!(
                    "the service that gives out tokens took longer than {} s",
                    FETCH_LIMIT.as_secs()
                ))),
                Some(Err(_)) => Err(stopped()),
                None => Err(TokenError::passing("the host is stopping")),
            };
            cell.note(result, clock.now())
        });
        let outcome = async move { task.await.unwrap_or_else(|_| Err(stopped())) };
        outcome.boxed().shared()
    }
}

impl<T> Cell<T> {
    // The state is valid after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, result: Result<Fetched<T>, TokenError>, now: SystemTime) -> Outcome<T> {
        let mut state = self.lock();
        state.running = None;
        match result.and_then(|fetched| Held::of(fetched, now)) {
            Ok(held) => {
                let token = Arc::clone(&held.token);
                state.held = Some(held);
                state.failed = None;
                Ok(token)
            }
            Err(error) => {
                tracing::warn!(credential = &*self.credential, "no new token: {error}");
                let failed = Failed::after(state.failed.as_ref(), error.clone(), now);
                state.failed = Some(failed);
                Err(error)
            }
        }
    }
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            held: None,
            running: None,
            failed: None,
        }
    }
}

impl<T> State<T> {
    /// Whether nothing of it is of any more use.
    fn is_over(&self, now: SystemTime) -> bool {
        let held = self.held.as_ref().is_some_and(|held| !past(held.usable, now));
        let failed = self.failed.as_ref().is_some_and(|failed| now < failed.until);
        !held && !failed && self.running.is_none()
    }
}

impl<T> Held<T> {
    /// Decides how long a token is good for.
    fn of(fetched: Fetched<T>, now: SystemTime) -> Result<Self, TokenError> {
        let Fetched {
            token,
            expires,
            refresh,
        } = fetched;
        let token = Arc::new(token);
        let Some(expires) = expires else {
            return Ok(Self {
                token,
                since: now,
                refresh,
                usable: None,
            });
        };
        let life = expires.duration_since(now).unwrap_or_default();
        if life.is_zero() {
            return Err(TokenError::passing(
                "the token that was given out has expired already; check this machine's clock",
            ));
        }
        let ahead = REFRESH_AHEAD.min(life / 2);
        let margin = EXPIRY_MARGIN.min(life / 10);
        let usable = expires.checked_sub(margin);
        let refresh = refresh.filter(|refresh| *refresh < expires);
        Ok(Self {
            token,
            since: now,
            refresh: refresh.or_else(|| expires.checked_sub(ahead)),
            usable,
        })
    }
}

impl Failed {
    fn after(before: Option<&Self>, error: TokenError, now: SystemTime) -> Self {
        let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        let asked = error.retry_after.map(|asked| asked.min(LONGEST_RETRY_AFTER));
        let wait = asked.map_or(pause, |asked| asked.max(pause));
        Self {
            error,
            pause,
            until: now.checked_add(wait).unwrap_or(now),
        }
    }

    /// The error, with what is left of the pause that the service asked for.
    fn error_at(&self, now: SystemTime) -> TokenError {
        let left = self.until.duration_since(now).ok();
        TokenError {
            retry_after: self.error.retry_after.and(left),
            ..self.error.clone()
        }
    }
}

fn past(limit: Option<SystemTime>, now: SystemTime) -> bool {
    limit.is_some_and(|limit| limit <= now)
}

fn stopped() -> TokenError {
    TokenError::passing("fetching the token stopped; see the log")
}

#[cfg(test)]
mod tests;
