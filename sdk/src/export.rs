//! From an adapter's traits to a component's exports.
//!
//! In: a type that implements [`Provider`](crate::Provider) and other traits of
//! [`capability`](crate::capability). Out: the functions that the host calls. Never: an export of
//! an interface that the adapter did not name, since the host takes an export as a promise.

/// Makes a component of a type: exports `provider` and exactly the interfaces that are named.
///
/// The names are those of the WIT interfaces: `chat`, `completions`, `embeddings`, `images`,
/// `speech`, `native`.
/// Except on `wasm32` it only checks that the type implements the traits, so that an adapter's
/// tests link natively. The adapter's crate is a `cdylib`.
///
/// ```
/// # use llm_provider_sdk::{types::*, *};
/// struct Silent;
/// impl Provider for Silent {
///     fn describe() -> Manifest {
///         Manifest::new("silent", "0.1.0", "Silent")
///     }
/// }
/// impl Chat for Silent {
///     async fn stream(_: ChatRequest) -> Result<EventStream, Error> {
///         Err(Error::unsupported("it is silent"))
///     }
/// }
/// llm_provider_sdk::export!(Silent: chat);
/// ```
#[macro_export]
macro_rules! export {
    ($ty:ident $(: $($interface:ident),* $(,)?)?) => {
        $crate::__export_interface!($ty provider);
        $($($crate::__export_interface!($ty $interface);)*)?
    };
}

/// One interface of [`export!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    ($ty:ident provider) => {
        $crate::__export_one!($ty, Provider, __export_only_provider_impl, provider);
    };
    ($ty:ident chat) => {
        $crate::__export_one!($ty, Chat, __export_only_chat_impl, chat);
    };
    ($ty:ident completions) => {
        $crate::__export_one!($ty, Completions, __export_only_completions_impl, completions);
    };
    ($ty:ident embeddings) => {
        $crate::__export_one!($ty, Embeddings, __export_only_embeddings_impl, embeddings);
    };
    ($ty:ident images) => {
        $crate::__export_one!($ty, Images, __export_only_images_impl, images);
    };
    ($ty:ident speech) => {
        $crate::__export_one!($ty, Speech, __export_only_speech_impl, speech);
    };
    ($ty:ident native) => {
        $crate::__export_one!($ty, Native, __export_only_native_impl, native);
    };
    ($ty:ident $other:ident) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($other),
            "` is not an interface of llm-host:provider@0.1.0; ",
            "choose among chat, completions, embeddings, images, speech, native",
        ));
    };
}

/// The trait check of one interface, and on `wasm32` its exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_one {
    ($ty:ident, $trait:ident, $export:ident, $module:ident) => {
        const _: fn() = || {
            fn implements<T: $crate::$trait>() {}
            implements::<$ty>();
        };
        #[cfg(target_arch = "wasm32")]
        $crate::$export!($ty with_types_in $crate::bindings::$module);
    };
}
