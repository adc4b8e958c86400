//! Where a prompt is cached.
//!
//! In: tools, system prompt and turns, each with every wish for a breakpoint. Out: as many of them as
//! the API takes, with lifetimes in an order that it takes. Never: a change of a breakpoint that the
//! caller wrote in Anthropic's own words.
//!
//! Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.

use super::messages::Conversation;
use super::tools::Offer;
use crate::report::Report;
use crate::wire::Object;

/// Most breakpoints of one request, the automatic one included.
const MOST: usize = 4;

const NAME: &str = "cache_control";

/// Fits the breakpoints. `automatic` is the one of the request as a whole, which stands behind all.
pub(super) fn fit(offer: &mut Offer, conversation: &mut Conversation, automatic: Option<&Object>, report: &mut Report) {
    let turns = conversation.turns.iter_mut().flat_map(|turn| &mut turn.content);
    let all = offer.tools.iter_mut().chain(&mut conversation.system).chain(turns);
    let mut blocks: Vec<&mut Object> = all.filter(|block| block.has(NAME)).collect();
    let most = MOST - usize::from(automatic.is_some());
    let excess = blocks.len().saturating_sub(most);
    if excess > 0 {
        // The first covers what conversations have in common, the last ones what this one has grown to.
        let mut left = excess;
        for block in blocks.iter_mut().skip(1) {
            // One that was put there for a neutral hint, not in Anthropic's own words.
            if left > 0 && block.object_mut(NAME).is_some() {
                block.take(NAME);
                left -= 1;
            }
        }
        if left < excess {
            let gone = excess - left;
            report.add(
                NAME,
                format!("Anthropic takes {MOST} breakpoints of its cache; {gone} behind the first were left out"),
            );
        }
    }
    let mut long = automatic.is_some_and(is_long);
    let mut raised = false;
    for block in blocks.iter_mut().rev() {
        match block.object_mut(NAME) {
            Some(control) if is_long(control) => long = true,
            Some(control) if long => {
                control.set("ttl", "1h");
                raised = true;
            }
            Some(_) => {}
            None => long |= block.read::<Object>(NAME).as_ref().is_some_and(is_long),
        }
    }
    if raised {
        report.add(
            "cache_control.ttl",
            "Anthropic takes no longer lifetime behind a shorter one; the earlier ones were raised to `1h`",
        );
    }
}

fn is_long(control: &Object) -> bool {
    control.read::<String>("ttl").as_deref() == Some("1h")
}
