//! The functions of one instance, each interface of them looked up once.
//!
//! In: an instance and the plugin it was made of. Out: what can be called in it. An interface is
//! looked up when it is first asked for, which compares the types of all its functions with the
//! host's and takes as long as many a call; so an instance that is made ahead looks up `chat` before
//! its call comes. Never: how a call is run, which is [`call`](super::call)'s.

use std::sync::{Arc, OnceLock};

use wasmtime::component::{Accessor, Instance};
use wasmtime::{AsContextMut, Store};

use super::bindings::{base, chat, completions, embeddings, images, native, speech};
use super::component::LoadedPlugin;
use super::state::GuestState;

/// An instance, for the time of one call.
#[derive(Clone, Copy)]
pub(super) struct Callee<'c> {
    pub(super) accessor: &'c Accessor<GuestState>,
    pub(super) functions: &'c Functions,
}

macro_rules! interfaces {
    ($($interface:ident: $loaded:ty;)*) => {
        /// What can be called in an instance, as far as somebody has asked for it.
        pub(super) struct Functions {
            plugin: Arc<LoadedPlugin>,
            instance: Instance,
            provider: OnceLock<base::Base>,
            $($interface: OnceLock<$loaded>,)*
        }

        impl Functions {
            /// None is looked up yet.
            pub(super) fn new(plugin: Arc<LoadedPlugin>, instance: Instance) -> Self {
                Self { plugin, instance, provider: OnceLock::new(), $($interface: OnceLock::new(),)* }
            }

            $(
                fn $interface(&self, store: impl AsContextMut<Data = GuestState>) -> wasmtime::Result<&$loaded> {
                    once(&self.$interface, || {
                        // Whoever admits a call has looked; see `Generation::admit`.
                        let indices = self.plugin.exports.$interface.as_ref().ok_or_else(|| {
                            wasmtime::Error::msg(concat!("`", stringify!($interface), "` is not exported"))
                        })?;
                        indices.load(store, &self.instance)
                    })
                }
            )*
        }

        impl<'c> Callee<'c> {
            $(
                pub(super) fn $interface(&self) -> wasmtime::Result<&'c $loaded> {
                    self.accessor.with(|access| self.functions.$interface(access))
                }
            )*
        }
    };
}

interfaces! {
    chat: chat::WithChat;
    completions: completions::WithCompletions;
    embeddings: embeddings::WithEmbeddings;
    images: images::WithImages;
    native: native::WithNative;
    speech: speech::WithSpeech;
}

impl Functions {
    /// Looks up what most calls ask for, where the component has it. What is wrong with it is for
    /// the call to say.
    pub(super) fn look_up_chat(&self, store: &mut Store<GuestState>) {
        if self.plugin.exports.chat.is_some() {
            let _ = self.chat(store);
        }
    }
}

impl<'c> Callee<'c> {
    pub(super) fn provider(&self) -> wasmtime::Result<&'c base::Base> {
        let Functions {
            plugin,
            instance,
            provider,
            ..
        } = self.functions;
        once(provider, || {
            self.accessor.with(|access| plugin.exports.base.load(access, instance))
        })
    }
}

fn once<T>(known: &OnceLock<T>, look_up: impl FnOnce() -> wasmtime::Result<T>) -> wasmtime::Result<&T> {
    if let Some(found) = known.get() {
        return Ok(found);
    }
    let found = look_up()?;
    Ok(known.get_or_init(|| found))
}
