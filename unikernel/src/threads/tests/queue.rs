use crate::threads::queue::Queue;
use crate::threads::waiters::Waiters;

#[test]
fn threads_run_in_turn_and_those_of_the_first_vcpu_there() {
    let mut queue = Queue::new();
    queue.push(1);
    queue.push(2);
    queue.push_for_first(3);
    assert_eq!(queue.len(), 3);
    assert_eq!(queue.pop(1), Some(1));
    assert_eq!(queue.pop(0), Some(3));
    assert_eq!(queue.pop(0), Some(2));
    assert_eq!(queue.pop(0), None);
    queue.push_for_first(4);
    assert_eq!(queue.pop(1), None);
    assert!(!queue.is_empty());
    queue.clear();
    assert!(queue.is_empty());
}

#[test]
fn one_sleeper_watches_the_first_deadline() {
    let mut queue = Queue::<u8>::new();
    assert_eq!(queue.sleep(0, 0), 0);
    assert_eq!(queue.sleep(1, 50), 50);
    assert_eq!(queue.sleep(2, 50), 0);
    // An earlier one has come.
    assert_eq!(queue.sleep(3, 40), 40);
    queue.rise(1);
    assert_eq!(queue.sleep(1, 45), 0);
    queue.rise(3);
    assert_eq!(queue.sleep(3, 45), 45);
}

#[test]
fn a_sleeper_is_woken_once_and_only_for_somebody() {
    let mut queue = Queue::new();
    queue.sleep(1, 0);
    assert_eq!(queue.take_sleeper(), None);
    queue.push(7);
    assert_eq!(queue.take_sleeper(), Some(1));
    assert_eq!(queue.take_sleeper(), None);
}

#[test]
fn waiters_are_taken_moved_and_removed() {
    let mut waiters = Waiters::new();
    waiters.add(8, 'a', 1);
    waiters.add(8, 'b', 2);
    waiters.add(8, 'c', 3);
    assert_eq!(waiters.take(8, 2), Some('b'));
    assert_eq!(waiters.requeue(8, 16, 1), 1);
    assert_eq!(waiters.take(8, 1), Some('c'));
    assert_eq!(waiters.take(8, u32::MAX), None);
    waiters.remove(|thread| *thread == 'a');
    assert_eq!(waiters.take(16, u32::MAX), None);
}

#[test]
fn who_waits_at_several_words_stands_at_each_once() {
    let mut waiters = Waiters::new();
    for word in [8, 16, 16, 24] {
        waiters.add(word, 'a', 1);
    }
    assert_eq!(waiters.words(), [8, 16, 24]);
    assert_eq!(waiters.take(8, 1), Some('a'));
    assert!(!waiters.remove_at(8, |thread| *thread == 'a'));
    assert!(waiters.remove_at(16, |thread| *thread == 'a'));
    assert!(!waiters.remove_at(16, |thread| *thread == 'b'));
    assert_eq!(waiters.words(), [16, 24]);
    assert!(waiters.remove_at(16, |thread| *thread == 'a'));
    assert_eq!(waiters.words(), [24]);
}
