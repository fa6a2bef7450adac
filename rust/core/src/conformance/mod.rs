//! The suite that every store passes: what the doc comments of [`crate::store::Store`] promise, a case per promise.
//!
//! A store crate runs all of it with [`store_conformance!`](crate::store_conformance); the expression it gives is
//! evaluated for each case and yields a [`Fixture`] around a fresh, empty store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code that ships in the library"
)]
#![allow(missing_docs, reason = "the names of the cases are their documentation")]

mod kit;

pub mod alone;
pub mod cancel;
pub mod cards;
pub mod claim;
pub mod completions;
pub mod concurrency;
pub mod cycle;
pub mod hints;
pub mod model;
pub mod notify;
pub mod purge;
pub mod queue;
pub mod reads;
pub mod recover;
pub mod settle;
pub mod stall;
pub mod submit;
pub mod support;
pub mod threads;
pub mod wait;

pub use kit::{Fixture, RETENTION, START};

/// Generate one `#[test]` per case, in a module per step. `$open` yields a [`Fixture`](crate::conformance::Fixture):
/// `store_conformance!(Fixture::open(|clock| (MemoryStore::new(clock, RETENTION), ())));`
#[macro_export]
macro_rules! store_conformance {
    ($open:expr) => {
        $crate::store_conformance! { @steps $open;
            submit {
                an_accepted_call_is_registered,
                an_empty_batch_is_accepted,
                answers_come_in_the_order_of_the_batch,
                what_was_submitted_can_be_read_back,
                a_call_due_at_once_is_due_from_its_arrival,
                a_large_payload_arrives_whole,
                a_submission_sent_twice_changes_nothing,
                a_submission_sent_again_after_its_claim_is_not_queued_again,
                a_submission_sent_again_after_its_end_changes_nothing,
                a_submission_with_a_key_sent_twice_stands_for_itself,
                the_same_submission_twice_in_one_batch_is_stored_once,
                a_registration_key_reuses_the_invocation_in_the_queue,
                a_registration_key_decides_within_one_batch_too,
                other_arguments_under_a_registration_key_are_reported,
                other_arguments_under_a_strict_registration_key_are_refused,
                registration_keys_do_not_disturb_each_other,
                a_registration_key_is_free_once_its_invocation_is_claimed,
                a_registration_key_is_free_once_its_invocation_is_cancelled,
                an_invocation_that_is_put_off_and_cancelled_frees_its_registration_key,
                an_invocation_that_is_put_off_holds_its_registration_key_until_it_is_claimed,
                a_scheduled_invocation_holds_its_registration_key,
                a_retried_invocation_does_not_take_its_registration_key_back,
                an_id_of_another_shard_is_stored_like_any,
            }
            queue {
                equals_leave_in_the_order_of_their_arrival,
                one_batch_leaves_in_its_own_order,
                a_higher_priority_leaves_first,
                among_equal_priorities_the_earlier_due_leaves_first,
                what_is_not_due_stays_in_the_queue,
                a_claim_says_when_the_next_one_becomes_due,
                the_next_due_time_is_that_of_the_queues_asked_for,
                a_claim_takes_only_from_the_queues_asked_for,
                the_best_place_over_all_queues_leaves_first,
                queues_are_served_as_they_are_named_if_asked_for,
                queues_are_served_in_turn_if_asked_for,
                queues_are_served_as_one_if_nothing_is_asked_for,
                what_a_body_waits_for_comes_before_the_order_of_the_queues,
                an_invocation_that_is_put_off_delays_no_other_in_any_order_of_the_queues,
                a_retry_goes_behind_what_came_before_it,
                what_is_handed_back_keeps_its_place,
                what_is_handed_back_with_a_delay_waits_for_it,
                what_a_body_waits_for_leaves_before_every_priority,
                what_the_deepest_body_waits_for_leaves_first,
                another_shallower_waiter_does_not_move_it_back,
                being_waited_for_makes_nothing_due,
                what_is_waited_for_keeps_its_precedence_when_it_comes_back,
            }
            claim {
                an_empty_queue_yields_no_claims,
                no_more_than_the_limit_is_claimed,
                a_claim_carries_the_call,
                every_claim_has_a_fence_of_its_own,
                the_owner_is_known_while_it_owns,
                a_claim_that_begins_records_both_steps,
                a_claim_that_does_not_begin_is_pending,
                beginning_again_is_harmless,
                only_the_owner_can_begin,
                a_claim_says_what_happened_before,
                a_cancelled_invocation_is_not_claimed,
            }
            concurrency {
                as_many_as_the_limit_run_under_a_key,
                keys_do_not_disturb_each_other,
                an_invocation_without_a_place_does_not_count_towards_the_limit,
                a_task_that_asks_for_it_is_dropped,
                a_claim_tells_what_was_dropped_on_its_way,
                a_settled_holder_lets_the_next_one_run,
                only_the_first_of_the_blocked_is_unblocked,
                a_place_is_taken_while_pending_and_while_paused,
                a_retried_or_handed_back_holder_gives_its_place_up,
                a_recovered_or_buried_holder_gives_its_place_up,
                a_replayed_settlement_frees_no_second_place,
                a_blocked_invocation_can_be_cancelled,
                the_next_is_unblocked_when_the_unblocked_one_is_cancelled,
                the_next_is_unblocked_when_the_unblocked_one_blocks_again,
                a_newcomer_may_take_the_place_and_the_unblocked_one_blocks_again,
                two_limits_under_one_key_are_each_respected,
                the_target_of_a_body_is_unblocked_first,
                a_key_of_a_delayed_retry_is_free_meanwhile,
            }
            settle {
                a_returned_value_is_kept,
                a_raised_exception_is_kept,
                an_empty_value_is_a_value,
                a_finished_invocation_is_not_claimed_again,
                a_retry_is_queued_again_and_counted,
                a_retry_waits_until_it_is_due,
                a_running_invocation_that_is_handed_back_was_killed,
                a_pending_invocation_that_is_handed_back_was_not_killed,
                a_claim_can_fail_before_it_begins,
                a_body_that_never_began_cannot_return,
                a_paused_body_that_returns_was_running,
                a_stale_owner_cannot_settle,
                an_earlier_claim_cannot_settle_a_later_one,
                settling_again_by_the_same_claim_is_a_replay,
                a_replayed_retry_or_release_queues_nothing_twice,
                the_same_settlement_twice_in_one_batch_is_recorded_once,
                an_unknown_invocation_cannot_be_settled,
                a_refused_settlement_does_not_stop_the_others,
                the_history_says_where_and_since_when_a_body_ran,
                a_lease_that_ended_unnoticed_can_still_be_settled,
                an_exchange_settles_first_and_then_claims,
                a_history_does_not_grow_without_end,
                equal_hand_backs_in_a_row_are_counted_in_one,
                hand_backs_of_bodies_that_waited_are_not_folded,
            }
            completions {
                a_loop_is_notified_of_what_finishes,
                a_loop_is_notified_of_what_had_finished_before,
                a_loop_is_not_notified_of_discarded_invocations,
                an_unknown_invocation_ends_only_its_own_wait,
                a_loop_learns_that_everything_was_purged,
                a_loop_learns_that_the_store_was_closed,
                nothing_can_be_added_once_the_store_is_closed,
            }
            notify {
                runners_are_notified_of_a_submission,
                runners_are_notified_of_what_becomes_due_later,
                runners_are_notified_of_a_retry,
                runners_are_notified_of_what_is_handed_back,
                runners_are_notified_when_a_place_under_a_key_comes_free,
                runners_are_notified_of_what_was_recovered,
                waiters_are_notified_of_an_outcome,
                waiters_are_notified_of_a_cancellation,
                waiters_are_notified_of_a_dropped_invocation,
                waiters_are_notified_of_a_burial,
                a_notified_waiter_sees_the_change,
                one_wait_covers_many_invocations,
                waiters_learn_that_everything_was_purged,
                waiters_learn_that_a_result_expired,
                waiters_learn_that_the_store_was_closed,
                a_claim_moves_the_number_of_changes,
            }
            wait {
                a_body_that_waits_is_paused_and_goes_on,
                a_finished_target_is_reported_and_nothing_changes,
                every_way_to_finish_makes_a_target_ready,
                an_unknown_target_is_refused,
                waiting_for_nothing_is_refused,
                only_the_owner_can_pause,
                what_has_not_begun_cannot_pause,
                a_paused_body_can_wait_for_more,
                a_target_given_twice_counts_once,
                many_bodies_can_wait_for_one,
                resuming_again_is_harmless,
                a_lost_claim_does_not_go_on,
                a_waiting_body_keeps_its_claim_by_beats,
            }
            cycle {
                a_body_cannot_wait_for_itself,
                two_bodies_cannot_wait_for_each_other,
                a_long_way_round_is_found,
                one_target_of_many_that_leads_back_is_enough,
                a_refused_wait_changes_nothing,
                chains_and_diamonds_are_no_cycles,
                a_body_that_went_on_waits_for_nothing,
                a_body_that_lost_its_claim_waits_for_nothing,
                waiting_for_what_needs_ones_own_place_never_ends,
                a_cycle_can_lead_through_a_concurrency_key,
                a_free_place_under_the_key_is_a_way_out,
                a_holder_that_runs_will_make_room,
                those_that_share_a_key_can_wait_for_each_other,
                many_ways_through_few_bodies_are_searched_quickly,
                what_would_be_dropped_waits_for_no_place,
            }
            recover {
                a_live_lease_is_left_alone,
                with_nothing_claimed_no_lease_ends,
                a_running_invocation_whose_lease_ended_is_queued_again,
                the_history_names_the_runner_that_was_lost,
                a_pending_invocation_whose_lease_ended_is_not_blamed,
                a_paused_invocation_whose_lease_ended_is_queued_again_and_waits_for_nothing,
                a_recovered_claim_is_over_for_its_old_owner,
                a_beat_extends_every_lease_of_its_runner_and_no_other,
                beats_follow_each_other_and_leave_no_lease_behind,
                a_beat_names_only_what_is_still_owned,
                a_beat_renews_a_lease_that_ended_unnoticed,
                each_claim_has_the_lease_it_asked_for,
                a_body_that_keeps_killing_its_runner_is_buried,
                repeated_recovery_waits_longer_and_longer,
                one_call_recovers_no_more_than_its_limit,
                those_whose_lease_ended_first_are_recovered_first,
                a_recovered_invocation_keeps_its_place_in_line,
                the_claims_of_a_dead_runner_are_recovered_at_once,
                a_runner_that_is_known_to_die_with_a_body_again_and_again_buries_it,
            }
            alone {
                bodies_that_ran_beside_each_other_come_again_alone_and_are_not_counted,
                a_body_that_dies_as_the_only_one_is_counted_and_buried,
                a_body_that_was_to_run_alone_is_counted_beside_bodies_that_wait,
                a_body_that_ran_alone_and_dies_again_of_what_it_waits_for_is_counted_too,
                a_body_that_ran_alone_is_counted_if_it_waits_for_all_that_may_be_the_cause,
                a_body_that_waits_for_some_of_those_that_may_be_the_cause_is_not_counted,
                only_the_body_that_runs_is_counted_beside_those_that_wait,
                the_only_body_of_a_process_is_counted_even_if_it_waits,
                a_claim_that_has_not_begun_neither_counts_nor_runs_alone,
                leases_that_end_one_after_the_other_make_no_body_the_only_one,
                a_recovery_in_pieces_makes_no_body_the_only_one,
                a_death_with_a_known_cause_counts_for_no_body,
                those_that_run_alone_leave_in_the_order_of_the_queue,
                a_claim_of_one_line_sees_nothing_of_the_other,
                an_invocation_that_runs_alone_does_so_after_a_retry_and_a_hand_back,
                a_claim_returns_the_due_time_of_what_runs_alone,
                what_a_body_waits_for_leaves_first_among_those_that_run_alone,
                a_concurrency_key_holds_for_those_that_run_alone,
                those_that_run_alone_are_listed_under_their_queue_and_no_slot_waits_for_them,
                what_waits_to_run_alone_can_be_cancelled_and_purged,
                the_history_says_that_it_runs_alone_next,
                a_settled_claim_is_out_of_the_company,
            }
            stall {
                after_a_stall_the_first_sweep_recovers_nothing,
                a_stall_may_come_before_the_first_renewal,
                after_a_stall_a_runner_that_renews_first_recovers_nothing_of_the_others,
                after_a_stall_a_lease_that_is_about_to_end_is_left_alone,
                a_runner_that_died_in_a_stall_is_recovered_a_lease_after_it,
                a_stall_that_ends_long_before_the_leases_delays_no_recovery,
                a_dead_runner_is_recovered_when_its_lease_expires_while_others_renew,
                a_time_without_claims_is_no_stall,
            }
            reads {
                a_watch_answers_in_the_order_of_the_ids,
                many_ids_are_watched_at_once,
                an_outcome_reads_the_same_every_time,
                an_unknown_id_is_not_found,
                lists_are_in_the_order_of_submission,
                pages_follow_each_other,
                each_filter_finds_what_it_names,
                the_backlog_is_what_another_slot_would_run,
                the_backlog_of_some_queues_is_counted_no_further_than_asked_for,
                every_status_change_is_in_the_history,
                the_history_says_when_and_by_whom,
            }
            hints {
                a_glance_contradicts_no_watch,
                a_glance_at_a_closed_store_fails_or_knows_nothing,
                only_ids_that_were_given_must_be_polled,
                calls_under_one_key_are_placed_in_one_shard,
                a_placed_call_is_found_under_its_id,
            }
            cards {
                a_card_is_read_as_it_was_published,
                a_card_published_again_replaces_the_one_before,
                a_card_kept_for_no_time_is_removed,
                cards_are_no_invocations,
            }
            purge {
                a_queued_invocation_can_be_cancelled,
                a_scheduled_invocation_can_be_cancelled,
                a_claimed_or_finished_invocation_cannot_be_cancelled,
                a_purge_removes_everything,
                a_purge_of_nothing_removes_nothing,
                an_outcome_is_kept_for_its_retention,
                every_way_to_finish_expires,
                what_is_not_finished_never_expires,
                one_call_removes_no_more_than_its_limit,
                a_replay_of_what_was_removed_is_stale,
                what_waits_for_a_runner_is_withdrawn_at_once,
                a_withdrawal_takes_no_more_than_its_limit_and_unblocks,
                a_withdrawal_costs_no_more_where_more_waits,
                a_closed_store_refuses_every_verb,
                closing_again_is_harmless,
            }
            cancel {
                an_invocation_in_the_queue_ends_at_once_with_either_reach,
                a_request_changes_only_the_answer_of_a_beat,
                a_body_that_ends_before_it_is_interrupted_has_its_own_outcome,
                a_cancelled_body_is_neither_retried_nor_handed_back,
                a_body_that_waits_can_be_cancelled,
                a_body_that_waits_is_not_retried_after_a_request,
                what_was_claimed_and_not_begun_can_be_cancelled,
                a_cancelled_body_does_not_outlive_its_runner,
                its_waiters_are_notified,
                its_runner_is_notified_of_the_request,
                a_request_and_an_end_have_one_winner,
            }
            threads {
                two_runners_never_share_an_invocation,
                the_limit_of_a_key_holds_under_contention,
                a_call_sent_by_many_threads_is_stored_once,
                a_registration_key_lets_one_of_many_threads_in,
                two_settlements_of_one_claim_leave_one_outcome,
                a_cancellation_and_a_claim_have_one_winner,
                a_settlement_and_a_recovery_have_one_winner,
                two_recoveries_queue_nothing_twice,
                of_two_bodies_that_wait_for_each_other_one_is_refused,
            }
            model {
                agrees_with_the_memory_store,
            }
        }
    };
    (@steps $open:expr; $($step:ident { $($case:ident,)+ })+) => { $(
        mod $step {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::conformance::$step::$case(&$open);
                }
            )+
        }
    )+ };
}

#[cfg(test)]
mod tests {
    /// A case that is not in the list of the macro would never run.
    #[test]
    fn every_case_is_in_the_list() {
        let list = include_str!("mod.rs");
        let files = [
            ("submit", include_str!("submit.rs")),
            ("queue", include_str!("queue.rs")),
            ("claim", include_str!("claim.rs")),
            ("concurrency", include_str!("concurrency.rs")),
            ("settle", include_str!("settle.rs")),
            ("notify", include_str!("notify.rs")),
            ("wait", include_str!("wait.rs")),
            ("cycle", include_str!("cycle.rs")),
            ("recover", include_str!("recover.rs")),
            ("alone", include_str!("alone.rs")),
            ("reads", include_str!("reads.rs")),
            ("cards", include_str!("cards.rs")),
            ("hints", include_str!("hints.rs")),
            ("completions", include_str!("completions.rs")),
            ("stall", include_str!("stall.rs")),
            ("purge", include_str!("purge.rs")),
            ("cancel", include_str!("cancel.rs")),
            ("threads", include_str!("threads.rs")),
            ("model", include_str!("model.rs")),
        ];
        for (step, text) in files {
            for case in text.lines().filter_map(|line| line.strip_prefix("pub fn ")) {
                let name = case.split('(').next().unwrap();
                assert!(list.contains(&format!(" {name},")), "{step}::{name} is not in the list of the macro");
            }
        }
    }
}
