//! What is known of languages: words that say nothing by themselves, and endings.

/// A language whose words are known a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
    /// Japanese.
    Japanese,
    /// French.
    French,
    /// Spanish.
    Spanish,
}

impl Language {
    /// All that are known.
    pub const ALL: [Self; 5] =
        [Self::English, Self::German, Self::Japanese, Self::French, Self::Spanish];

    /// Words that say nothing by themselves, in lower case.
    pub fn stop_words(self) -> impl Iterator<Item = &'static str> {
        let words = match self {
            Self::English => ENGLISH,
            Self::German => GERMAN,
            Self::Japanese => JAPANESE,
            Self::French => FRENCH,
            Self::Spanish => SPANISH,
        };
        words.split_whitespace()
    }

    /// A word without its commonest endings, by which its forms are counted as one.
    pub fn stem(self, word: &str) -> String {
        match self {
            Self::English => english(word),
            Self::German => german(word),
            Self::French | Self::Spanish => plural(word, &["s", "x"]),
            Self::Japanese => word.to_owned(),
        }
    }
}

/// What is left without an ending, if that is long enough to be a word.
fn without<'a>(word: &'a str, end: &str, least: usize) -> Option<&'a str> {
    word.strip_suffix(end).filter(|rest| rest.chars().count() >= least)
}

fn plural(word: &str, ends: &[&str]) -> String {
    ends.iter().find_map(|end| without(word, end, 4)).unwrap_or(word).to_owned()
}

fn english(word: &str) -> String {
    if let Some(rest) = without(word, "ies", 2) {
        return format!("{rest}y");
    }
    for end in ["sses", "shes", "ches", "xes", "zes"] {
        if let Some(rest) = without(word, end, 1) {
            return format!("{rest}{}", &end[..end.len() - 2]);
        }
    }
    if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word.to_owned();
    }
    without(word, "s", 3).unwrap_or(word).to_owned()
}

fn german(word: &str) -> String {
    let plain: String = word
        .chars()
        .map(|c| match c {
            'ä' => 'a',
            'ö' => 'o',
            'ü' => 'u',
            c => c,
        })
        .collect();
    let plain = plain.replace('ß', "ss");
    let ends = ["ern", "em", "en", "er", "es", "e", "n", "s"];
    ends.iter().find_map(|end| without(&plain, end, 4)).unwrap_or(&plain).to_owned()
}

const ENGLISH: &str = "a about above across after again against all almost alone along already also although \
always am among an and another any anybody anyone anything anywhere are aren't around as at away b back be \
became because become becomes been before behind being below between both but by c can can't cannot could \
couldn't did didn't do does doesn't doing don't done down during each either else enough especially etc even \
ever every everyone everything everywhere except few first for from further get gets give given go going \
good got great had hadn't has hasn't have haven't having he her here hers herself him himself his how \
however i if in instead into is isn't it its itself just keep kind large last least less let like likely \
long made make makes making many may maybe me might mine more most mostly much must my myself near need \
needs neither never new next no nobody non none nor not nothing now of off often on once one ones only onto \
or other others otherwise our ours ourselves out over own part per perhaps put quite rather really relating \
s said same see seem seemed seems several shall she should shouldn't since small so some somebody someone \
something sometimes somewhere still such t take than that the their theirs them themselves then there \
therefore these they thing things this those though three through thus to together too toward towards two \
type under until up upon us use used uses using usually various very via want was wasn't way we well went \
were weren't what whatever when where whether which while who whole whom whose why will with within without \
won't would wouldn't yet you your yours yourself";

const GERMAN: &str = "aber alle allem allen aller alles als also am an ander andere anderem anderen anderer \
anderes auch auf aus bei beim bereits bin bis bist bzw da dabei dadurch dafür daher damit danach dann daran \
darauf daraus darin das dass dasselbe daß davon dazu dein deine dem den denen denn der deren derer des dessen \
deshalb dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer \
eines einfach einige einigen er erst es etwa etwas euch euer eure für gegen gewesen gibt ging hab habe haben \
hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in indem ins ist ja \
jede jedem jeden jeder jedes jedoch jene jenem jenen jener jenes jetzt kann kein keine keinem keinen keiner \
können könnte man manche mehr mein meine meist mich mir mit muss musste möglich müssen nach nachdem neben \
nicht nichts noch nun nur ob oder ohne schon sehr sein seine seinem seinen seiner seit seitdem selbst sich \
sie sind so sodass sogar solche solchem solchen solcher soll sollen sollte sondern sonst sowie tun um und uns \
unser unter usw viel viele vielen vom von vor war waren warum was wegen weil weiter welche welchem welchen \
welcher welches wenn wer werden wie wieder will wir wird wo während wurde wurden würde zu zum zur zwar \
zwischen über";

const JAPANESE: &str = "こと もの ため これ それ あれ この その あの ここ そこ どこ する した して される された \
している していた ある あった いる いた なる なった から まで より など という として において における によって \
により による について に対して および または ならびに ところ とき ときに である であった であり でした です ます \
ました ません ない なかった れる られる られた だった だけ しかし そして また さらに なお つまり ような ように \
ことが ことを ことに ものの ものを かつ ともに とともに にあたる にある にわたる 的 等 他 者 一 二 三 年 月 日 \
できる できた しており されており されている されていた されて となる となった となっている をする にした その後 場合";

const FRENCH: &str = "au aux avec avoir c ce ces cet cette comme d dans de des deux donc dont du elle elles en \
entre est et eux fait il ils je l la le les leur leurs lui là ma mais me mes moi mon même n ne nos notre nous on \
ont ou où par pas peut plus pour qu que quelque qui s sa sans se ses si son sont sous sur ta te tes toi ton tous \
tout toute toutes très tu un une vos votre vous y à été être était aussi ainsi après avant chez";

const SPANISH: &str = "a al algo algunas algunos ante antes así aún cada como con contra cual cuando de del desde \
donde dos durante e el ella ellas ellos en entre era es esa esas ese eso esos esta estaba estas este esto estos \
está están fue fueron ha había han hasta hay la las le les lo los me mi mientras muy más ni no nos o otra otras \
otro otros para pero por porque que quien se según ser si sin sobre son su sus sí también tan tanto te tiene \
todo todos tras tu un una unas uno unos y ya";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for (language, words) in [
            (Language::English, ["bird", "birds"].as_slice()),
            (Language::English, &["family", "families"]),
            (Language::English, &["box", "boxes"]),
            (Language::English, &["church", "churches"]),
            (Language::German, &["Häuser", "Haus", "Hauses"].map(|_| "haus")),
            (Language::German, &["häuser", "hauser"]),
            (Language::German, &["straße", "straßen", "strassen"]),
            (Language::French, &["maison", "maisons"]),
        ] {
            let stems: Vec<String> = words.iter().map(|word| language.stem(word)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        for word in ["genus", "glass", "this", "gas", "bus"] {
            assert_eq!(Language::English.stem(word), word);
        }
        assert_eq!(Language::Japanese.stem("東京都"), "東京都");
    }
}
