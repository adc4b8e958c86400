//! Several calls at once.
//!
//! In: futures. Out: what they give, in their order. Never: more of them under way than a few; the host
//! limits how many requests one call may have open.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// Most calls under way at a time.
const AT_ONCE: usize = 8;

/// Runs the futures, a few at a time.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = futures.into_iter();
    let mut out = Vec::new();
    loop {
        let batch: Vec<F> = waiting.by_ref().take(AT_ONCE).collect();
        if batch.is_empty() {
            return out;
        }
        out.extend(batch_of(batch).await);
    }
}

/// A call, and what it gave once it is done.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

async fn batch_of<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::block_on;

    #[test]
    fn outputs_are_in_order_whenever_they_come() {
        let later = |number: u32| async move {
            let mut polls = number % 3;
            std::future::poll_fn(|context| {
                if polls == 0 {
                    return Poll::Ready(number);
                }
                polls -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        };
        let got = block_on(all((0..20).map(later)));
        assert_eq!(got, (0..20).collect::<Vec<_>>());
    }
}
