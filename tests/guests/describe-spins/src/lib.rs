//! A plugin that never says what it is.

use llm_provider_sdk::{Manifest, Provider};

/// The plugin.
#[derive(Debug)]
pub struct DescribeSpins;

llm_provider_sdk::export!(DescribeSpins);

impl Provider for DescribeSpins {
    fn describe() -> Manifest {
        loop {
            std::hint::black_box(0);
        }
    }
}
