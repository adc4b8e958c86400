//! Texts as the older APIs take them: one or several, as text or as the model's tokens.
//!
//! In: the value of `input` or `prompt`. Out: the texts, in order. Never: a guess at what a mixed
//! list means.

use crate::api::json::{Node, Path};
use crate::error::GatewayError;

/// One text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextOrTokens {
    Text(String),
    Tokens(Vec<u32>),
}

const EXPECTED: &str = "a string, an array of strings, an array of tokens or an array of such arrays";

/// Reads the value; there is at least one text.
///
/// # Errors
/// `InvalidRequest` with the path of what is wrong.
pub(super) fn decode(node: Node<'_>, path: &Path<'_>) -> Result<Vec<TextOrTokens>, GatewayError> {
    let items = match node {
        Node::Text(text) => return Ok(vec![TextOrTokens::Text(text.into_owned())]),
        Node::List(items) => items,
        other => return Err(path.wrong_type(EXPECTED, &other)),
    };
    match items.first() {
        None => Err(path.invalid("it is empty; at least one text is needed")),
        Some(Node::Number(_)) => Ok(vec![TextOrTokens::Tokens(tokens(items, path)?)]),
        Some(_) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| match item {
                Node::Text(text) => Ok(TextOrTokens::Text(text.into_owned())),
                Node::List(list) if !list.is_empty() => Ok(TextOrTokens::Tokens(tokens(list, &path.item(index))?)),
                Node::List(_) => Err(path.item(index).invalid("it is empty")),
                other => Err(path.item(index).wrong_type("a string or an array of tokens", &other)),
            })
            .collect(),
    }
}

fn tokens(items: Vec<Node<'_>>, path: &Path<'_>) -> Result<Vec<u32>, GatewayError> {
    let token = |(index, item): (usize, Node<'_>)| {
        let number = match &item {
            Node::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        number.ok_or_else(|| {
            path.item(index)
                .wrong_type("a token: a whole number from 0 to 4294967295", &item)
        })
    };
    items.into_iter().enumerate().map(token).collect()
}
