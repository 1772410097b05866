// SPDX-License-Identifier: Apache-2.0

/// What is from a country is called otherwise than the country: "Spanish" is of Spain. Values of records have the country,
/// questions the adjective.
enum Demonyms {
    /// The countries that an adjective may stand for, folded, several names of one country among them.
    static func countries(_ word: String) -> [String] { table[word] ?? [] }

    private static let table: [String: [String]] = {
        var table: [String: [String]] = [:]
        for line in lines.split(separator: "\n") {
            let parts = line.split(separator: "=")
            guard parts.count == 2 else { continue }
            for adjective in parts[0].split(separator: ",") {
                table[String(adjective), default: []] += parts[1].split(separator: ",").map(String.init)
            }
        }
        return table
    }()

    private static let lines = """
        spanish,spaniard,spaniards=spain,es,esp
        portuguese=portugal,pt,prt
        french,frenchman=france,fr,fra
        german,germans=germany,deutschland,de,deu
        italian,italians=italy,italia,it,ita
        english=england,united kingdom,uk
        british,brit,brits=united kingdom,uk,great britain,britain,england,scotland,wales,gb,gbr
        scottish,scots=scotland
        welsh=wales
        irish=ireland,ie,irl
        dutch=netherlands,the netherlands,holland,nl,nld
        belgian,belgians=belgium,be,bel
        swiss=switzerland,ch,che
        austrian,austrians=austria,at,aut
        swedish,swede,swedes=sweden,se,swe
        norwegian,norwegians=norway,no,nor
        danish,dane,danes=denmark,dk,dnk
        finnish,finn,finns=finland,fi,fin
        icelandic,icelander=iceland,is,isl
        polish,pole,poles=poland,pl,pol
        czech,czechs=czechia,czech republic,cz,cze
        slovak,slovaks=slovakia,sk,svk
        hungarian,hungarians=hungary,hu,hun
        romanian,romanians=romania,ro,rou
        bulgarian,bulgarians=bulgaria,bg,bgr
        greek,greeks=greece,gr,grc
        turkish,turk,turks=turkey,turkiye,tr,tur
        russian,russians=russia,russian federation,ru,rus
        ukrainian,ukrainians=ukraine,ua,ukr
        serbian,serb,serbs=serbia
        croatian,croat,croats=croatia
        slovenian,slovene=slovenia
        bosnian=bosnia,bosnia and herzegovina
        albanian=albania
        lithuanian=lithuania
        latvian=latvia
        estonian=estonia
        georgian=georgia
        armenian=armenia
        israeli,israelis=israel
        egyptian,egyptians=egypt
        moroccan=morocco
        algerian=algeria
        tunisian=tunisia
        nigerian,nigerians=nigeria
        ghanaian=ghana
        kenyan,kenyans=kenya
        ethiopian,ethiopians=ethiopia
        american,americans=united states,usa,us,united states of america,america
        canadian,canadians=canada,ca,can
        mexican,mexicans=mexico,mx,mex
        cuban=cuba
        jamaican=jamaica
        brazilian,brazilians=brazil,brasil,br,bra
        argentine,argentinian,argentinians=argentina,ar,arg
        chilean,chileans=chile,cl,chl
        peruvian=peru
        colombian=colombia
        venezuelan=venezuela
        uruguayan=uruguay
        chinese=china,cn,chn
        japanese=japan,jp,jpn
        korean,koreans=south korea,korea,north korea,kr
        indian,indians=india,in,ind
        pakistani,pakistanis=pakistan
        bangladeshi=bangladesh
        nepali,nepalese=nepal
        thai=thailand
        vietnamese=vietnam,viet nam
        indonesian,indonesians=indonesia
        malaysian=malaysia
        filipino,philippine=philippines
        iranian,persian=iran
        iraqi=iraq
        saudi=saudi arabia
        lebanese=lebanon
        syrian=syria
        jordanian=jordan
        afghan=afghanistan
        australian,australians=australia,au,aus
        european=europe
        african=africa
        asian=asia
        """
}
