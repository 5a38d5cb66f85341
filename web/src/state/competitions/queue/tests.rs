use fairframe_competitions::board::Side;
use fairframe_schemas::Digest;

use super::{
    super::{
        super::tests::Fixture,
        scores::{self, Score},
        submissions::{Allowance, New, State as At, submit},
        teams,
    },
    undone::{MACHINE_PAUSE, OUR_FAULT, PAUSE},
    *,
};
use crate::state::{
    accounts,
    competitions::{self as state, submissions::find},
};

/// A competition with a stage, and teams of one person each.
async fn game(f: &Fixture, people: &[&str]) -> Vec<(String, i64)> {
    let (name, stage) = names();
    let mut write = f.db.write().await.unwrap();
    let digest = Digest::of(b"definition");
    let stages = [(stage, Digest::of(b"truth"))];
    state::open(&mut write, "hana", &name, "C", digest, &stages)
        .await
        .unwrap();
    let mut all = Vec::new();
    for person in people {
        let id = accounts::create(&mut write, "console", person, &Default::default())
            .await
            .unwrap();
        let team = teams::own(&mut write, &name, (&id, person)).await.unwrap();
        all.push((id, team));
    }
    write.commit().await.unwrap();
    all
}

fn names() -> (Name, Name) {
    (Name::new("c").unwrap(), Name::new("one").unwrap())
}

async fn hand_in(f: &Fixture, (account, team): &(String, i64)) -> i64 {
    let (competition, stage) = names();
    let new = New {
        competition: &competition,
        stage: &stage,
        team: *team,
        account: (account, "somebody"),
        name: "a.csv",
        sha256: Digest::of(b"a"),
        bytes: 1,
        note: "",
        external: None,
    };
    let now = f.db.now();
    let allowed = Allowance {
        day: now..now + Duration::from_secs(3_600),
        per_day: 100,
        total: None,
        block_days: None,
    };
    let mut write = f.db.write().await.unwrap();
    let seq = submit(&mut write, &new, &allowed).await.unwrap();
    write.commit().await.unwrap();
    seq
}

async fn score(f: &Fixture, task: &Task) -> bool {
    let mut write = f.db.write().await.unwrap();
    let one = Score {
        side: Side::Public,
        value: Some(0.5),
        shown: Some(0.5),
        best: task.submission,
        columns: "[]".to_owned(),
    };
    let done = scores::write(&mut write, task, &[one]).await.unwrap();
    write.commit().await.unwrap();
    done
}

#[tokio::test]
async fn teams_take_turns_and_each_ones_submissions_come_in_order() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana", "ben"]).await;
    let mut of_ana = Vec::new();
    for _ in 0..3 {
        of_ana.push(hand_in(&f, &all[0]).await);
    }
    let of_ben = hand_in(&f, &all[1]).await;
    let first = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(first.submission, Some(of_ana[0]));
    // ana's second waits for her first; ben's is next in any case.
    f.pass(Duration::from_micros(1));
    let second = take(&f.db, "v").await.unwrap().unwrap();
    assert_eq!(second.submission, Some(of_ben));
    assert!(take(&f.db, "u").await.unwrap().is_none());
    assert!(score(&f, &first).await);
    let third = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(third.submission, Some(of_ana[1]));
}

#[tokio::test]
async fn a_team_that_sends_many_does_not_keep_others_waiting() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana", "ben"]).await;
    let mut of_ana = Vec::new();
    for _ in 0..5 {
        of_ana.push(hand_in(&f, &all[0]).await);
    }
    let (mut took, mut of_ben) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        // ben sends two while ana's wait.
        if of_ben.len() < 2 {
            of_ben.push(hand_in(&f, &all[1]).await);
        }
        f.pass(Duration::from_micros(1));
        let task = take(&f.db, "w").await.unwrap().unwrap();
        assert!(score(&f, &task).await);
        took.push(task.submission.unwrap());
    }
    let mut wanted = vec![of_ana[0], of_ben[0], of_ana[1], of_ben[1]];
    wanted.extend(&of_ana[2..]);
    assert_eq!(took, wanted);
}

#[tokio::test]
async fn what_is_tried_again_later_does_not_turn_time_back() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana", "ben", "cleo"]).await;
    hand_in(&f, &all[0]).await;
    let late = take(&f.db, "w").await.unwrap().unwrap();
    died(&f.db, "w", "signal: 9").await.unwrap();
    for _ in 0..3 {
        hand_in(&f, &all[1]).await;
        let task = take(&f.db, "w").await.unwrap().unwrap();
        assert!(score(&f, &task).await);
    }
    // Of ben's four the last waits; ana's first is begun again, before cleo comes.
    let of_ben = hand_in(&f, &all[1]).await;
    f.pass(PAUSE);
    assert_eq!(take(&f.db, "w").await.unwrap().unwrap().id, late.id);
    let of_cleo = [hand_in(&f, &all[2]).await, hand_in(&f, &all[2]).await];
    assert_eq!(
        queue_of(&f, [of_cleo[0], of_ben, of_cleo[1]]).await,
        [2, 3, 4]
    );
    for wanted in [of_cleo[0], of_ben, of_cleo[1]] {
        let task = take(&f.db, "v").await.unwrap().unwrap();
        assert_eq!(task.submission, Some(wanted));
        assert!(score(&f, &task).await);
    }
}

/// Places in the queue, as teams are told them.
async fn queue_of<const N: usize>(f: &Fixture, submissions: [i64; N]) -> Vec<i64> {
    let mut places = Vec::new();
    for submission in submissions {
        places.push(before(&f.db, submission).await.unwrap().unwrap());
    }
    places
}

#[tokio::test]
async fn a_report_is_told_of_from_its_score_on() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana"]).await;
    let seq = hand_in(&f, &all[0]).await;
    assert_eq!(report(&f.db, seq, 1).await.unwrap(), None);
    let task = take(&f.db, "w").await.unwrap().unwrap();
    assert!(score(&f, &task).await);
    assert_eq!(report(&f.db, seq, 1).await.unwrap(), Some(State::Queued));
    let board = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(board.kind, Kind::Board);
    let task = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(task.kind, Kind::Report);
    assert_eq!(report(&f.db, seq, 1).await.unwrap(), Some(State::Running));
    let mut write = f.db.write().await.unwrap();
    assert!(finish(&mut write, &task, "").await.unwrap());
    write.commit().await.unwrap();
    assert_eq!(report(&f.db, seq, 1).await.unwrap(), Some(State::Done));
}

#[tokio::test]
async fn a_task_is_written_once_by_whoever_holds_its_lease() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana"]).await;
    let seq = hand_in(&f, &all[0]).await;
    let slow = take(&f.db, "slow").await.unwrap().unwrap();
    assert!(renew(&f.db, &slow).await.unwrap());
    f.pass(LEASE + Duration::from_secs(1));
    assert!(
        take(&f.db, "other").await.unwrap().is_none(),
        "it waits a moment"
    );
    f.pass(PAUSE);
    let again = take(&f.db, "other").await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (slow.id, 2));
    // The first one comes back from the dead.
    assert!(!renew(&f.db, &slow).await.unwrap());
    assert!(!score(&f, &slow).await);
    assert!(score(&f, &again).await);
    assert!(!score(&f, &again).await);
    let found = find(&f.db, seq).await.unwrap().unwrap();
    assert_eq!(found.state, At::Scored);
}

#[tokio::test]
async fn what_kills_its_workers_is_set_aside_does_not_count_and_can_be_tried_again() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana"]).await;
    let seq = hand_in(&f, &all[0]).await;
    for n in 0..MAX_ATTEMPTS {
        f.pass(PAUSE * 20);
        let worker = format!("w{n}");
        let task = take(&f.db, &worker).await.unwrap().unwrap();
        assert_eq!(task.submission, Some(seq));
        died(&f.db, &worker, "signal: 9").await.unwrap();
    }
    f.pass(PAUSE * 20);
    // The board of what is left is made; the poison is not touched again.
    let next = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(next.kind, Kind::Board);
    let found = find(&f.db, seq).await.unwrap().unwrap();
    assert_eq!((found.state, found.counts), (At::Failed, false));
    // Its team is told no more than that; its hosts why.
    assert_eq!(found.problem, OUR_FAULT);
    let (competition, _) = names();
    let tasks = of(&f.db, &competition, 10).await.unwrap();
    assert_eq!(tasks[0].state, State::SetAside);
    assert_eq!(tasks[0].problem, "signal: 9");
    let mut write = f.db.write().await.unwrap();
    assert!(retry(&mut write, &competition, tasks[0].id).await.unwrap());
    assert!(!retry(&mut write, &competition, tasks[0].id).await.unwrap());
    write.commit().await.unwrap();
    let found = find(&f.db, seq).await.unwrap().unwrap();
    assert_eq!((found.state, found.counts), (At::Queued, true));
    let task = take(&f.db, "w").await.unwrap().unwrap();
    assert!(score(&f, &task).await);
}

#[tokio::test]
async fn what_the_machine_could_not_begin_is_no_try() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana"]).await;
    let seq = hand_in(&f, &all[0]).await;
    for _ in 0..=MAX_ATTEMPTS {
        let task = take(&f.db, "w").await.unwrap().unwrap();
        assert_eq!((task.submission, task.attempts), (Some(seq), 1));
        put_back(&f.db, &task, "no space is left").await.unwrap();
        // Nobody else's word counts.
        put_back(&f.db, &task, "again").await.unwrap();
        assert!(take(&f.db, "w").await.unwrap().is_none());
        f.pass(MACHINE_PAUSE);
    }
    let task = take(&f.db, "w").await.unwrap().unwrap();
    assert!(score(&f, &task).await);
}

#[tokio::test]
async fn a_board_does_not_wait_for_ever_behind_submissions() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana", "ben", "cleo"]).await;
    for team in &all {
        hand_in(&f, team).await;
    }
    let first = take(&f.db, "w").await.unwrap().unwrap();
    assert!(score(&f, &first).await);
    let second = take(&f.db, "w").await.unwrap().unwrap();
    assert_eq!(second.kind, Kind::Score);
    assert!(score(&f, &second).await);
    f.pass(BOARD_WAITS);
    assert_eq!(take(&f.db, "w").await.unwrap().unwrap().kind, Kind::Board);
}

#[tokio::test]
async fn what_is_tried_again_after_a_correction_is_scored_by_the_truth_that_counts() {
    let f = Fixture::new().await;
    let all = game(&f, &["ana"]).await;
    let seq = hand_in(&f, &all[0]).await;
    for n in 0..MAX_ATTEMPTS {
        f.pass(PAUSE * 20);
        let worker = format!("w{n}");
        take(&f.db, &worker).await.unwrap().unwrap();
        died(&f.db, &worker, "signal: 9").await.unwrap();
    }
    let (competition, stage) = names();
    let mut write = f.db.write().await.unwrap();
    let digest = Digest::of(b"another");
    truths::correct(&mut write, "hana", &competition, &stage, digest, "a slip")
        .await
        .unwrap();
    write.commit().await.unwrap();
    while let Some(task) = take(&f.db, "w").await.unwrap() {
        assert_eq!(task.kind, Kind::Board);
        let mut write = f.db.write().await.unwrap();
        assert!(finish(&mut write, &task, "").await.unwrap());
        write.commit().await.unwrap();
    }
    let truth = truths::current(&f.db, &competition, &stage)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(truth.version, 2);
    let tasks = of(&f.db, &competition, 10).await.unwrap();
    let mut write = f.db.write().await.unwrap();
    assert!(retry(&mut write, &competition, tasks[0].id).await.unwrap());
    write.commit().await.unwrap();
    f.pass(PAUSE);
    while let Some(task) = take(&f.db, "w").await.unwrap() {
        if task.kind == Kind::Score {
            assert!(score(&f, &task).await);
        } else {
            let mut write = f.db.write().await.unwrap();
            finish(&mut write, &task, "").await.unwrap();
            write.commit().await.unwrap();
        }
    }
    let [public, _] = scores::of(&f.db, seq, 2).await.unwrap();
    assert!(public.is_some());
    let found = find(&f.db, seq).await.unwrap().unwrap();
    assert_eq!((found.state, found.counts), (At::Scored, true));
}

/// A board that is being made while the same one is asked for again; says which both are.
async fn two_boards(f: &Fixture) -> (i64, i64) {
    let (name, stage) = names();
    for id in 0..2 {
        let mut write = f.db.write().await.unwrap();
        ask_board(&mut write, &name, &stage).await.unwrap();
        write.commit().await.unwrap();
        if id == 0 {
            let under_way = take(&f.db, "w").await.unwrap().unwrap();
            assert_eq!(under_way.kind, Kind::Board);
        }
    }
    let all = of(&f.db, &name, 10).await.unwrap();
    let id = |state| all.iter().find(|t| t.state == state).unwrap().id;
    (id(State::Running), id(State::Queued))
}

#[tokio::test]
async fn a_board_whose_worker_is_lost_gives_way_to_the_one_that_waits() {
    for how in ["the server died", "the worker died", "the lease ran out"] {
        let f = Fixture::new().await;
        game(&f, &[]).await;
        let (name, _) = names();
        let (lost, waits) = two_boards(&f).await;
        match how {
            "the server died" => recover(&f.db).await.unwrap(),
            "the worker died" => died(&f.db, "w", "it ended").await.unwrap(),
            _ => f.pass(LEASE + Duration::from_secs(1)),
        }
        let next = take(&f.db, "v").await.unwrap().unwrap();
        assert_eq!(next.id, waits, "{how}");
        let all = of(&f.db, &name, 10).await.unwrap();
        let found = all.iter().find(|t| t.id == lost).unwrap();
        assert_eq!(found.state, State::Cancelled, "{how}");
    }
}
