"""A labelled set of encoded tables: (label, encoding, bytes, the text they must become).

The texts are ours. Nothing here asks a detector or its tables: a text is encoded by the codec of
its label, and the expected text is what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Encoded(NamedTuple):
    label: str
    encoding: str
    data: bytes
    text: str


PROSE = {
    "english": (
        "The café's naïve résumé cost £20 at the soirée. Temperatures reached 35°C, so the crème "
        "brûlée melted; Zoë and Chloë shared ½ a piñata with the fiancée of Mr Brontë."
    ),
    "german": (
        "Die Straße führt über die Brücke nach Köln, wo größere Häuser stehen. Müller und Söhne "
        "liefern täglich frische Brötchen, Äpfel und Käse für fünf Geschäfte in Österreich."
    ),
    "french": (
        "L'été dernier, nous avons mangé des pâtes à la crème près de la forêt. Où êtes-vous allés "
        "après la fête ? Le garçon a reçu une lettre très brève de sa mère, déjà à Nîmes."
    ),
    "spanish": (
        "El niño comió una piña en el jardín de España. ¿Cuándo llegará el camión? Mañana será "
        "otro día; la señora Muñoz pidió café, jamón y pingüinos de peluche. ¡Qué ilusión!"
    ),
    "portuguese": (
        "A situação econômica não é fácil: as exportações caíram três por cento em junho. João e "
        "Conceição irão à praça amanhã comprar pão, maçãs, limões e um avô de açúcar."
    ),
    "italian": (
        "La città è più bella perché c'è il sole: così andrò al caffè con papà. Venerdì "
        "l'università è chiusa, però lunedì la società aprirà già alle sette. Virtù e libertà."
    ),
    "dutch": (
        "De ministers uit België coördineren geïnteresseerde ondernemingen; hij kreeg één reünie "
        "en drieëndertig ideeën over zeeën van ruimte. Zoë vond het café in Curaçao héél goed."
    ),
    "swedish": (
        "Året börjar på våren när sjöarna är öppna. Åsa och Göran åker båt från Malmö till Växjö, "
        "köper smörgåsar, kött och fil, och kör hem över älven på kvällen efter läxorna."
    ),
    "danish": (
        "Søren køber blåbærgrød på øen Ærø hver lørdag. Bjørn spiste æbler og rødgrød med fløde, "
        "så gik han hjem ad åen for at læse bøger om kærlighed, sælskind og gårde på Fanø."
    ),
    "finnish": (
        "Tämä yö on pitkä ja pimeä, mutta päivä alkaa pian. Äiti löysi metsästä kymmenen hyvää "
        "sientä, isä söi leipää ja lähti työhön Jyväskylään. Sää on tänään kylmä eikä lämpene."
    ),
    "norwegian": (
        "Bjørnen går gjennom skogen på jakt etter bær. Kjøttet er nå dyrere enn før, så Pål og "
        "Åse kjøper grønnsaker på Røros. Været er dårlig, men båten til Tromsø går på lørdag."
    ),
    "polish": (
        "Żółta łódź płynęła po Wiśle, gdy świeciło słońce. Książka leżała na półce w Łodzi, a pan "
        "Wałęsa jadł pączki. Dziękuję za piękną różę; jeść śledzie będę później, w środę."
    ),
    "czech": (
        "Příliš žluťoučký kůň úpěl ďábelské ódy. Děti běžely přes řeku k dědečkovi, který měl "
        "šest ovcí a čtyři kočky. Zítra přijede strýc z Plzně a přiveze čerstvé švestky."
    ),
    "hungarian": (
        "Az őszi erdőben hűvös szél fújt, a fűzfák lehajoltak. Győző és Enikő tűzhelyet vettek, "
        "mert a régi elromlott. Később sült krumplit ettek, gyümölcsöt és mézes süteményt."
    ),
}

# One a row: what a customer file has where the prose has sentences.
NAMES = {
    "english": "Brontë,Zoë,Renée,Beyoncé,Chloë,Siân,Seán,Café Nero,Häagen,Noël",
    "german": "Müller,Schröder,Bäcker,Jürgen,Köln,Düsseldorf,Weiß,Grüße,Österreich,Käthe",
    "french": "Hélène,François,Besançon,Gérard,Benoît,Anaïs,Nîmes,Joël,Mérignac,Crèche",
    "spanish": "Muñoz,José,Málaga,Ibáñez,Ángel,Begoña,León,Cádiz,Íñigo,Coruña",
    "portuguese": "João,Conceição,São Paulo,Gonçalves,Inês,Brandão,Évora,Simões,Antônio,Goiânia",
    "italian": "Niccolò,Forlì,Cefalù,Nicolò,Cantù,Società,Università,Mondovì,Patti Più,Caffè",
    "dutch": "België,Daniël,Curaçao,Ingezeten één,Zoë,Michaël,André,Coördinator,Reünie,Raphaël",
    "swedish": "Malmö,Göteborg,Åsa,Sjöberg,Örebro,Ängelholm,Håkan,Växjö,Lindström,Söder",
    "danish": "Søren,Århus,Jørgen,Ærø,Bjørn,Sønderborg,Kæmpe,Åse,Næstved,Tårnby",
    "finnish": "Hämäläinen,Mäkinen,Jyväskylä,Väinö,Pöysti,Töölö,Hyvinkää,Äänekoski,Järvi,Kärnä",
    "norwegian": "Tromsø,Bodø,Pål,Ålesund,Røros,Kjær,Gjøvik,Bærum,Håkon,Øystein",
    "polish": "Łódź,Kraków,Wałęsa,Gdańsk,Święty,Żółkiewski,Bąk,Grażyna,Poznań,Wójcik",
    "czech": "Dvořák,Plzeň,Jiří,Novotný,Ostřava,Růžička,Šimek,Žižka,Zdeněk,Přerov",
    "hungarian": "Győr,Kovács,Enikő,Erdős,Szűcs,Tóth,Ősz,Petőfi,Gyűrű,Székesfehérvár",
}

WESTERN = tuple(PROSE)[:11]
CENTRAL = tuple(PROSE)[11:]


def dense(language: str) -> str:
    sentences = PROSE[language].replace(",", "").split(". ")
    rows = [f"{row},{sentences[row % len(sentences)]},{row * 3}.50" for row in range(12)]
    return "id,text,amount\n" + "\n".join(rows) + "\n"


def sparse(language: str) -> str:
    names = NAMES[language].split(",")
    rows = [
        f"{row},{names[row // 20 % 10] if row % 20 == 7 else 'Smith'},{row * 3}.50"
        for row in range(200)
    ]
    return "id,name,amount\n" + "\n".join(rows) + "\n"


def single(language: str, which: int) -> str:
    name = NAMES[language].split(",")[which]
    rows = [f"{row},{name if row == 70 else 'Smith'},{row * 3}.50" for row in range(100)]
    return "id,name,amount\n" + "\n".join(rows) + "\n"


def late(language: str) -> str:
    """The first byte that is not ASCII comes after 300 KB."""
    rows = (f"{row},Smith,{row * 3}.50" for row in range(15_000))
    return "id,name,amount\n" + "\n".join(rows) + "\n" + sparse(language).partition("\n")[2]


def shouted(language: str) -> str:
    return dense(language).upper().replace("SS", "ss")


def crlf(language: str) -> str:
    return sparse(language).replace(",", ";").replace("\n", "\r\n")


SHAPES = {"dense": dense, "sparse": sparse, "late": late, "shouted": shouted, "crlf": crlf}

TYPOGRAPHY = {  # what CP1252 has and Latin-1 has not
    "euro": "id,price\n1,12 €\n2,1.200 €\n3,99 €\n",
    "quotes": "id,note\n1,he said “no” – and left…\n2,it’s the customer’s ‘own’ fault\n",
    "apostrophes": "id,note\n1,l’été à Paris\n2,qu’est-ce que c’est\n3,aujourd’hui déjà\n",
    "ligatures": "id,note\n1,cœur et œuvre\n2,la sœur de l'œuf\n3,manœuvre d'été\n",
    "marks": "id,note\n1,Acme™ • 5 ‰\n2,Widget™ – Größe L\n",
}
SIGNS = {  # no letters at all
    "pounds": "id,price\n" + "".join(f"{row},£{row}.99\n" for row in range(50)),
    "degrees": "id,reading\n" + "".join(f"{row},{row / 2}°C\n" for row in range(50)),
    "squares": "id,area\n" + "".join(f"{row},{row} m²\n" for row in range(50)),
    "halves": "id,size\n1,½ cup\n2,¼ cup\n3,¾ cup\n",
    "section": "id,law\n1,§ 12 Abs. 3\n2,§ 4\n",
    "nbsp": "id,amount\n1,1\xa0200\n2,13\xa0000\n",
    "copyright": "id,owner\n1,© Acme 2024\n2,® Widget\n",
    "quotation": "id,said\n1,«non»\n2,»ja«\n",
    "question": "id,said\n1,¿Que?\n2,¡Hola!\n",
    "ordinals": "id,street\n1,Calle 3ª\n2,nº 7 1º\n",
    "micro": "id,unit\n1,5 µg ± 2\n2,3 µm × 4\n",
}

UNIVERSAL = ("utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16")
ASCII_TEXTS = {
    "words": "id,name\n1,Smith\n2,O'Brien\n",
    "numbers": "".join(f"{row},{row * 7}\n" for row in range(300)),
    "one": "a",
    "ends": "\n\n\r\n",
}


def _all(encodings: tuple[str, ...], texts: dict[str, str]) -> Iterator[Encoded]:
    for encoding in encodings:
        for label, text in texts.items():
            yield Encoded(f"{encoding}-{label}", encoding, text.encode(encoding), text)


def _texts(languages: tuple[str, ...], *, singles: int) -> dict[str, str]:
    made = {
        f"{language}-{shape}": make(language)
        for language in languages
        for shape, make in SHAPES.items()
    }
    for language in languages:
        for which in range(singles):
            made[f"{language}-single{which}"] = single(language, which)
    return made


def certain() -> Iterator[Encoded]:
    """UTF-8, UTF-16, ASCII, Latin-1 and CP1252: every one has to be read right."""
    everyone = _texts((*WESTERN, *CENTRAL), singles=1)
    yield from _all(UNIVERSAL, everyone | TYPOGRAPHY | SIGNS)
    yield from _all(("ascii", *UNIVERSAL), ASCII_TEXTS)
    western = _texts(WESTERN, singles=10)
    yield from _all(("iso8859-1", "cp1252"), western | SIGNS)
    yield from _all(("cp1252",), TYPOGRAPHY)


def cut() -> Iterator[Encoded]:
    """Tables that end inside a character; the text is what stands before it."""
    for language in (*WESTERN, *CENTRAL):
        text = dense(language)
        accents = [at for at, character in enumerate(text) if ord(character) > 127]
        before = text[: accents[-1]]
        whole = text[: accents[-1] + 1]
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            data = whole.encode(encoding)[:-1]
            yield Encoded(f"{encoding}-{language}-cut", encoding, data, before + "\ufffd")
    for lost in (1, 2, 3):
        data = ("id,mood\n1,\N{GRINNING FACE}\n2,é\n3,\N{GRINNING FACE}").encode()[:-lost]
        text = "id,mood\n1,\N{GRINNING FACE}\n2,é\n3,\ufffd"
        yield Encoded(f"utf-8-emoji-cut{lost}", "utf-8", data, text)


def uncertain() -> Iterator[Encoded]:
    """Encodings whose bytes prove little: read right as often as can be."""
    central = _texts(CENTRAL, singles=3)
    yield from _all(("cp1250", "iso8859-2", "cp852"), central)
    western = _texts(WESTERN, singles=3)
    euros = {"euro": TYPOGRAPHY["euro"], "ligatures": TYPOGRAPHY["ligatures"]}
    latin = {label: text.replace("½", "1/2") for label, text in western.items()}
    yield from _all(("iso8859-15",), latin | euros)
    dos = {label: text for label, text in western.items() if "shouted" not in label}
    yield from _all(("cp850",), dos)
    yield from _all(
        ("mac-roman",), {label: text.replace("½", "1/2") for label, text in dos.items()}
    )


SCRIPTS = {
    ("cp1251", "koi8-r", "cp866", "iso8859-5"): (
        "Жёлтый автобус едет по улице в город Москва. Иванов и Петрова купили свежий хлеб, "
        "молоко и яблоки в магазине; завтра будет дождь, поэтому возьмите зонт."
    ),
    ("cp1253", "iso8859-7"): (
        "Η θάλασσα είναι ήρεμη σήμερα και ο ήλιος λάμπει πάνω από την Αθήνα. Ο Γιώργος και η "
        "Μαρία αγόρασαν φρέσκο ψωμί, ελιές και τυρί από την αγορά."
    ),
    ("cp932", "euc-jp"): (
        "東京の天気は晴れです。田中さんは朝ごはんにパンと卵を食べました。明日は会社で会議がある"
        "ので、早く起きなければなりません。カタカナもあります。"
    ),
    ("big5",): (
        "今天天氣很好,我們去台北市中心買東西。王小明喜歡吃牛肉麵,也喜歡喝珍珠奶茶。明天早上我"
        "要去圖書館看書,晚上和朋友一起看電影。"
    ),
    ("gb18030",): (
        "今天天气很好,我们去北京市中心买东西。王小明喜欢吃牛肉面,也喜欢喝绿茶。明天早上我要去"
        "图书馆看书,晚上和朋友一起看电影。"
    ),
    ("euc-kr",): (
        "오늘 서울의 날씨는 맑습니다. 김철수는 아침에 빵과 우유를 먹었습니다. 내일은 회사에서 "
        "회의가 있어서 일찍 일어나야 합니다."
    ),
}


def other_scripts() -> Iterator[Encoded]:
    """Scripts whose letters come in runs."""
    for encodings, prose in SCRIPTS.items():
        rows = [f"{row},{part},{row * 7}.25" for row, part in enumerate(prose.split(" "))]
        for encoding in encodings:
            text = "id,text,amount\n" + "\n".join(rows) + "\n"
            yield Encoded(f"{encoding}-script", encoding, text.encode(encoding), text)
