//! Students of labels some of which are wrong: planted, and a language model's.

use postil_student::text::noisy::{NoisyOptions, Remedy};
use postil_student::text::{Head, Target, Trainer};

use crate::data::{Outcome, Texts, answers, figures, largest, option, paired, planted, texts};
use crate::say;

const REMEDIES: [Remedy; 6] =
    [Remedy::Plain, Remedy::Mixture, Remedy::Confident, Remedy::SmallLoss, Remedy::Bootstrap, Remedy::Posterior];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let sets = option(arguments, "--sets").unwrap_or_else(|| "trec6,sst2,subj,tweeteval-emotion,freeal-mr".to_owned());
    let noises = option(arguments, "--noise").unwrap_or_else(|| "0,u20,u40,c20,c40".to_owned());
    for set in sets.split(',') {
        if set == "freeal-mr" {
            language_model()?;
            continue;
        }
        let train = texts(set, "train", None)?;
        let test = texts(set, "test", Some(&train.names))?;
        for noise in noises.split(',') {
            let (kind, rate) = noise.split_at(usize::from(!noise.starts_with(|c: char| c.is_ascii_digit())));
            let rate: f64 = rate.parse::<f64>()? / 100.0;
            let given = planted(&train.classes, train.names.len(), rate, kind != "c", 1);
            table(&format!("{set} {noise}"), &train, &given, &test)?;
        }
    }
    Ok(())
}

/// Every remedy by itself and the one that would be chosen, on the test part.
fn table(name: &str, train: &Texts, given: &[u16], test: &Texts) -> Outcome {
    let slices: Vec<&str> = train.texts.iter().map(String::as_str).collect();
    let targets: Vec<Target> = given.iter().map(|&class| Target::Hard(class)).collect();
    let trainer = Trainer::new(train.names.clone(), Head::Softmax)?;
    // The truth is only looked at: what is chosen is what would be chosen without it.
    let truth = train.classes.iter().copied().enumerate().collect();
    let looked = trainer.fit_noisy(&slices, &targets, None, &NoisyOptions::new().gold(truth))?;
    let chosen = trainer.fit_noisy(&slices, &targets, None, &NoisyOptions::new())?;
    say(&format!(
        "{name}: {} texts, taken for wrong {:.3}, chosen {}",
        slices.len(),
        chosen.rate,
        chosen.remedy.name()
    ));
    let mut plain: Vec<u16> = Vec::new();
    for remedy in REMEDIES {
        let learnt = trainer.fit_noisy(&slices, &targets, None, &NoisyOptions::new().remedy(remedy))?;
        let classes = train.names.len();
        let own = figures(&learnt.fitted.out_of_fold, &train.classes);
        let seen = learnt.fitted.model.predict_batch(&test.texts);
        let (accuracy, loss, calibration) = figures(&seen, &test.classes);
        let labels: Vec<u16> = seen.chunks_exact(classes).map(largest).collect();
        if remedy == Remedy::Plain {
            plain.clone_from(&labels);
        }
        let (difference, half) = paired(&labels, &plain, &test.classes);
        let rehearsal = looked.trials.iter().find(|trial| trial.remedy == remedy).map_or_else(String::new, |trial| {
            let (truth, gain, error) = trial.gold.unwrap_or_default();
            format!(
                "  rehearsal: truth {truth:.4} ({gain:+.4} se {error:.4}) explained {:.4} ({:+.4} se {:.4})",
                trial.explained, trial.gain.0, trial.gain.1
            )
        });
        say(&format!(
            "  {:<11} test {accuracy:.4} ({difference:+.4} +-{half:.4}) loss {loss:.4} ece {calibration:.3} | train truth {:.4} loss {:.4}{rehearsal}",
            remedy.name(),
            own.0,
            own.1
        ));
    }
    Ok(())
}

/// A student of ChatGPT's labels of film reviews, beside students of the other labels.
fn language_model() -> Outcome {
    let stored = answers("freeal-mr")?;
    let test = texts("mr", "test", Some(&["0".to_owned(), "1".to_owned()]))?;
    for (model, said) in stored.models.iter().zip(&stored.said) {
        let answered: Vec<usize> = (0..said.len()).filter(|&item| said[item].is_some()).collect();
        let train = Texts {
            names: stored.items.names.clone(),
            texts: answered.iter().map(|&item| stored.items.texts[item].clone()).collect(),
            classes: answered.iter().map(|&item| stored.items.classes[item]).collect(),
        };
        let given: Vec<u16> = answered.iter().filter_map(|&item| said[item]).collect();
        table(&format!("freeal-mr {model}"), &train, &given, &test)?;
    }
    table("freeal-mr gold", &stored.items, &stored.items.classes, &test)
}
