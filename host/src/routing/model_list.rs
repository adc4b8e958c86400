//! The providers' own lists of models, kept for a while.
//!
//! In: a generation. Out: its models under the names that ask for them. Never: a failure; a list
//! that cannot be had is left out and logged, because one provider must not hide the others'.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::dispatch::ModelEntry;
use crate::llm::ModelInfo;
use crate::plugin::Generation;

/// How long a list counts: long enough that listing costs the providers next to nothing, short
/// enough that a new model appears while one waits for it.
const FRESH: Duration = Duration::from_secs(300);
/// How long a failure counts, so that a provider that is down is not asked by every caller.
const FAILED: Duration = Duration::from_secs(15);
/// A provider that takes longer than this is left out of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

type List = Arc<[ModelInfo]>;

/// Lists by generation.
#[derive(Default)]
pub(super) struct ModelLists {
    kept: Mutex<HashMap<u64, (Instant, List)>>,
}

impl ModelLists {
    /// The models of one provider.
    pub(super) async fn of(&self, generation: &Arc<Generation>, request_id: Arc<str>) -> Vec<ModelEntry> {
        let list = match self.kept(generation.id) {
            Some(list) => list,
            None => self.ask(generation, request_id).await,
        };
        list.iter()
            .map(|info| ModelEntry {
                name: format!("{}/{}", generation.provider, info.id),
                provider: generation.provider.clone(),
                info: info.clone(),
            })
            .collect()
    }

    fn kept(&self, generation: u64) -> Option<List> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|_, (until, _)| *until > now);
        kept.get(&generation).map(|(_, list)| list.clone())
    }

    async fn ask(&self, generation: &Arc<Generation>, request_id: Arc<str>) -> List {
        let provider = &*generation.provider;
        let asked = tokio::time::timeout(PATIENCE, generation.list_models(request_id)).await;
        let (list, counts) = match asked {
            Ok(Ok(Ok(models))) => (models.into(), FRESH),
            Ok(Ok(Err(error))) => {
                tracing::warn!(provider, "the list of models cannot be had: {}", error.message);
                (List::from([]), FAILED)
            }
            Ok(Err(error)) => {
                tracing::warn!(provider, "the list of models cannot be had: {error}");
                (List::from([]), FAILED)
            }
            Err(_) => {
                tracing::warn!(provider, "the list of models took longer than {} s", PATIENCE.as_secs());
                (List::from([]), FAILED)
            }
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(generation.id, (Instant::now() + counts, list.clone()));
        list
    }
}

/// What is known of a model that no list names.
pub(super) fn bare(id: &str) -> ModelInfo {
    ModelInfo {
        id: id.to_owned(),
        name: None,
        created: None,
        capabilities: Vec::new(),
        context_window: None,
        max_output_tokens: None,
        extra: Vec::new(),
    }
}
