//! Repository chores: code generation, test set-up, benchmarks. `cargo xtask help` lists them.

mod bench;
mod bless;
mod changelog;
mod codegen_schemas;
mod codegen_xds;
mod conformance;
mod fuzz;
mod machine;
mod mutants;
mod process;
mod report;
mod test;
mod testbed;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Repository chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs every check and test there is, with the real components that they need.
    Test(test::Arguments),
    /// Sets up one real component below .testbed/ and prints where it is.
    Testbed(testbed::Arguments),
    /// Runs the conformance suite against the program of this checkout.
    Conformance(conformance::Arguments),
    /// Checks the rules of the repository that no compiler knows.
    Tidy,
    /// Rewrites golden files from what the tests make, and removes those that no test asks for.
    Bless(bless::Arguments),
    /// Shows what is not released yet as a section of the changelog, or releases it.
    Changelog(changelog::Arguments),
    /// Measures compiling, planning, pushing and serving, and writes target/bench/report.md.
    Bench(bench::Arguments),
    /// Fuzzes with cargo-fuzz for a bounded time.
    Fuzz(fuzz::Arguments),
    /// Plants known bugs one by one and expects a test to catch each.
    Mutants(mutants::Arguments),
    /// Writes generated files that are committed.
    Codegen {
        #[command(subcommand)]
        what: Codegen,
    },
}

#[derive(Subcommand)]
enum Codegen {
    /// Writes schemas/manifests.
    Schemas,
    /// Writes xds/src/generated.
    Xds,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Testbed(arguments) => testbed::run(&arguments),
        Chore::Conformance(arguments) => conformance::run(&arguments),
        Chore::Tidy => tidy::run(),
        Chore::Bless(arguments) => bless::run(&arguments),
        Chore::Changelog(arguments) => changelog::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Mutants(arguments) => mutants::run(&arguments),
        Chore::Codegen { what: Codegen::Schemas } => codegen_schemas::run().map(|()| ExitCode::SUCCESS),
        Chore::Codegen { what: Codegen::Xds } => codegen_xds::run().map(|()| ExitCode::SUCCESS),
    }
}
