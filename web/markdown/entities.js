// HTML's named characters, all 2,125 that end with a semicolon: a character or two, then its names. Where there are only
// names, they are those of the character after the last one: that takes 1.5 KB less to load. In the order of the
// characters, from the standard's list (https://html.spec.whatwg.org/multipage/named-characters.html).

const TABLE = String.raw`
\u0009 Tab ; NewLine ; ! excl ; QUOT quot ; num ; dollar ; percnt ; AMP amp ; apos ; lpar ; rpar ; ast midast ; plus ; comma ; . period ; sol ; : colon ; semi
LT lt ; <\u20d2 nvlt ; equals ; =\u20e5 bne ; GT gt ; >\u20d2 nvgt ; quest ; commat ; [ lbrack lsqb ; bsol ; rbrack rsqb ; Hat ; UnderBar lowbar
DiacriticalGrave grave ; f\u006a fjlig ; { lbrace lcub ; VerticalLine verbar vert ; rbrace rcub ; \u00a0 NonBreakingSpace nbsp ; iexcl ; cent ; pound ; curren ; yen
brvbar ; sect ; Dot DoubleDot die uml ; COPY copy ; ordf ; laquo ; not ; shy ; REG circledR reg ; macr strns ; deg ; PlusMinus plusmn pm ; sup2 ; sup3
DiacriticalAcute acute ; micro ; para ; CenterDot centerdot middot ; Cedilla cedil ; sup1 ; ordm ; raquo ; frac14 ; frac12 half ; frac34 ; iquest ; Agrave ; Aacute
Acirc ; Atilde ; Auml ; Aring angst ; AElig ; Ccedil ; Egrave ; Eacute ; Ecirc ; Euml ; Igrave ; Iacute ; Icirc ; Iuml ; ETH ; Ntilde ; Ograve ; Oacute ; Ocirc
Otilde ; Ouml ; times ; Oslash ; Ugrave ; Uacute ; Ucirc ; Uuml ; Yacute ; THORN ; szlig ; agrave ; aacute ; acirc ; atilde ; auml ; aring ; aelig ; ccedil ; egrave
eacute ; ecirc ; euml ; igrave ; iacute ; icirc ; iuml ; eth ; ntilde ; ograve ; oacute ; ocirc ; otilde ; ouml ; div divide ; oslash ; ugrave ; uacute ; ucirc
uuml ; yacute ; thorn ; yuml ; Amacr ; amacr ; Abreve ; abreve ; Aogon ; aogon ; Cacute ; cacute ; Ccirc ; ccirc ; Cdot ; cdot ; Ccaron ; ccaron ; Dcaron ; dcaron
Dstrok ; dstrok ; Emacr ; emacr ; Ė Edot ; edot ; Eogon ; eogon ; Ecaron ; ecaron ; Gcirc ; gcirc ; Gbreve ; gbreve ; Gdot ; gdot ; Gcedil ; Ĥ Hcirc ; hcirc ; Hstrok
hstrok ; Itilde ; itilde ; Imacr ; imacr ; Į Iogon ; iogon ; Idot ; imath inodot ; IJlig ; ijlig ; Jcirc ; jcirc ; Kcedil ; kcedil ; kgreen ; Lacute ; lacute
Lcedil ; lcedil ; Lcaron ; lcaron ; Lmidot ; lmidot ; Lstrok ; lstrok ; Nacute ; nacute ; Ncedil ; ncedil ; Ncaron ; ncaron ; napos ; ENG ; eng ; Omacr ; omacr
Ő Odblac ; odblac ; OElig ; oelig ; Racute ; racute ; Rcedil ; rcedil ; Rcaron ; rcaron ; Sacute ; sacute ; Scirc ; scirc ; Scedil ; scedil ; Scaron ; scaron
Tcedil ; tcedil ; Tcaron ; tcaron ; Tstrok ; tstrok ; Utilde ; utilde ; Umacr ; umacr ; Ubreve ; ubreve ; Uring ; uring ; Udblac ; udblac ; Uogon ; uogon ; Wcirc
wcirc ; Ycirc ; ycirc ; Yuml ; Zacute ; zacute ; Zdot ; zdot ; Zcaron ; zcaron ; ƒ fnof ; Ƶ imped ; ǵ gacute ; ȷ jmath ; ˆ circ ; Hacek caron ; ˘ Breve breve
DiacriticalDot dot ; ring ; ogon ; DiacriticalTilde tilde ; DiacriticalDoubleAcute dblac ; \u0311 DownBreve ; Α Alpha ; Beta ; Gamma ; Delta ; Epsilon ; Zeta ; Eta
Theta ; Iota ; Kappa ; Lambda ; Mu ; Nu ; Xi ; Omicron ; Pi ; Rho ; Σ Sigma ; Tau ; Upsilon ; Phi ; Chi ; Psi ; Omega ohm ; α alpha ; beta ; gamma ; delta
epsi epsilon ; zeta ; eta ; theta ; iota ; kappa ; lambda ; mu ; nu ; xi ; omicron ; pi ; rho ; sigmaf sigmav varsigma ; sigma ; tau ; upsi upsilon ; phi ; chi ; psi
omega ; ϑ thetasym thetav vartheta ; Upsi upsih ; ϕ phiv straightphi varphi ; piv varpi ; Ϝ Gammad ; digamma gammad ; ϰ kappav varkappa ; rhov varrho
ϵ epsiv straightepsilon varepsilon ; backepsilon bepsi ; Ё IOcy ; DJcy ; GJcy ; Jukcy ; DScy ; Iukcy ; YIcy ; Jsercy ; LJcy ; NJcy ; TSHcy ; KJcy ; Ў Ubrcy ; DZcy
Acy ; Bcy ; Vcy ; Gcy ; Dcy ; IEcy ; ZHcy ; Zcy ; Icy ; Jcy ; Kcy ; Lcy ; Mcy ; Ncy ; Ocy ; Pcy ; Rcy ; Scy ; Tcy ; Ucy ; Fcy ; KHcy ; TScy ; CHcy ; SHcy ; SHCHcy
HARDcy ; Ycy ; SOFTcy ; Ecy ; YUcy ; YAcy ; acy ; bcy ; vcy ; gcy ; dcy ; iecy ; zhcy ; zcy ; icy ; jcy ; kcy ; lcy ; mcy ; ncy ; ocy ; pcy ; rcy ; scy ; tcy ; ucy
fcy ; khcy ; tscy ; chcy ; shcy ; shchcy ; hardcy ; ycy ; softcy ; ecy ; yucy ; yacy ; ё iocy ; djcy ; gjcy ; jukcy ; dscy ; iukcy ; yicy ; jsercy ; ljcy ; njcy
tshcy ; kjcy ; ў ubrcy ; dzcy ; \u2002 ensp ; emsp ; emsp13 ; emsp14 ; \u2007 numsp ; puncsp ; ThinSpace thinsp ; VeryThinSpace hairsp
NegativeMediumSpace NegativeThickSpace NegativeThinSpace NegativeVeryThinSpace ZeroWidthSpace ; zwnj ; zwj ; lrm ; rlm ; dash hyphen ; – ndash ; mdash ; horbar
Verbar Vert ; ‘ OpenCurlyQuote lsquo ; CloseCurlyQuote rsquo rsquor ; lsquor sbquo ; “ OpenCurlyDoubleQuote ldquo ; CloseCurlyDoubleQuote rdquo rdquor ; bdquo ldquor
† dagger ; Dagger ddagger ; bull bullet ; ‥ nldr ; hellip mldr ; ‰ permil ; pertenk ; prime ; Prime ; tprime ; backprime bprime ; ‹ lsaquo ; rsaquo ; ‾ OverBar oline
⁁ caret ; ⁃ hybull ; frasl ; ⁏ bsemi ; ⁗ qprime ; \u205f MediumSpace ; \u205f\u200a ThickSpace ; NoBreak ; ApplyFunction af ; InvisibleTimes it ; InvisibleComma ic
€ euro ; \u20db TripleDot tdot ; DotDot ; ℂ Copf complexes ; ℅ incare ; ℊ gscr ; HilbertSpace Hscr hamilt ; Hfr Poincareplane ; Hopf quaternions ; planckh
hbar hslash planck plankv ; Iscr imagline ; Ifr Im image imagpart ; Laplacetrf Lscr lagran ; ell ; ℕ Nopf naturals ; numero ; copysr ; weierp wp ; Popf primes
Qopf rationals ; Rscr realine ; Re Rfr real realpart ; Ropf reals ; rx ; ™ TRADE trade ; ℤ Zopf integers ; ℧ mho ; Zfr zeetrf ; iiota ; ℬ Bernoullis Bscr bernou
Cayleys Cfr ; ℯ escr ; Escr expectation ; Fouriertrf Fscr ; ℳ Mellintrf Mscr phmmat ; order orderof oscr ; alefsym aleph ; beth ; gimel ; daleth
ⅅ CapitalDifferentialD DD ; DifferentialD dd ; ExponentialE ee exponentiale ; ImaginaryI ii ; ⅓ frac13 ; frac23 ; frac15 ; frac25 ; frac35 ; frac45 ; frac16 ; frac56
frac18 ; frac38 ; frac58 ; frac78 ; ← LeftArrow ShortLeftArrow larr leftarrow slarr ; ShortUpArrow UpArrow uarr uparrow
RightArrow ShortRightArrow rarr rightarrow srarr ; DownArrow ShortDownArrow darr downarrow ; LeftRightArrow harr leftrightarrow ; UpDownArrow updownarrow varr
UpperLeftArrow nwarr nwarrow ; UpperRightArrow nearr nearrow ; LowerRightArrow searr searrow ; LowerLeftArrow swarr swarrow ; nlarr nleftarrow ; nrarr nrightarrow
↝ rarrw rightsquigarrow ; ↝\u0338 nrarrw ; Larr twoheadleftarrow ; Uarr ; Rarr twoheadrightarrow ; Darr ; larrtl leftarrowtail ; rarrtl rightarrowtail
LeftTeeArrow mapstoleft ; UpTeeArrow mapstoup ; RightTeeArrow map mapsto ; DownTeeArrow mapstodown ; ↩ hookleftarrow larrhk ; hookrightarrow rarrhk
larrlp looparrowleft ; looparrowright rarrlp ; harrw leftrightsquigarrow ; nharr nleftrightarrow ; ↰ Lsh lsh ; Rsh rsh ; ldsh ; rdsh ; ↵ crarr
cularr curvearrowleft ; curarr curvearrowright ; ↺ circlearrowleft olarr ; circlearrowright orarr ; LeftVector leftharpoonup lharu
DownLeftVector leftharpoondown lhard ; RightUpVector uharr upharpoonright ; LeftUpVector uharl upharpoonleft ; RightVector rharu rightharpoonup
DownRightVector rhard rightharpoondown ; RightDownVector dharr downharpoonright ; LeftDownVector dharl downharpoonleft ; RightArrowLeftArrow rightleftarrows rlarr
UpArrowDownArrow udarr ; LeftArrowRightArrow leftrightarrows lrarr ; leftleftarrows llarr ; upuparrows uuarr ; rightrightarrows rrarr ; ddarr downdownarrows
ReverseEquilibrium leftrightharpoons lrhar ; Equilibrium rightleftharpoons rlhar ; nLeftarrow nlArr ; nLeftrightarrow nhArr ; nRightarrow nrArr
DoubleLeftArrow Leftarrow lArr ; DoubleUpArrow Uparrow uArr ; DoubleRightArrow Implies Rightarrow rArr ; DoubleDownArrow Downarrow dArr
DoubleLeftRightArrow Leftrightarrow hArr iff ; DoubleUpDownArrow Updownarrow vArr ; nwArr ; neArr ; seArr ; swArr ; Lleftarrow lAarr ; Rrightarrow rAarr ; ⇝ zigrarr
⇤ LeftArrowBar larrb ; RightArrowBar rarrb ; ⇵ DownArrowUpArrow duarr ; ⇽ loarr ; roarr ; hoarr ; ForAll forall ; comp complement ; PartialD part ; ∂\u0338 npart
Exists exist ; NotExists nexist nexists ; empty emptyset emptyv varnothing ; ∇ Del nabla ; Element in isin isinv ; NotElement notin notinva
∋ ReverseElement SuchThat ni niv ; NotReverseElement notni notniva ; ∏ Product prod ; Coproduct coprod ; Sum sum ; minus ; MinusPlus mnplus mp ; dotplus plusdo
∖ Backslash setminus setmn smallsetminus ssetmn ; lowast ; SmallCircle compfn ; √ Sqrt radic ; ∝ Proportional prop propto varpropto vprop ; infin ; angrt ; ang angle
∠\u20d2 nang ; angmsd measuredangle ; angsph ; VerticalBar mid shortmid smid ; NotVerticalBar nmid nshortmid nsmid
DoubleVerticalBar par parallel shortparallel spar ; NotDoubleVerticalBar npar nparallel nshortparallel nspar ; and wedge ; or vee ; cap ; ∩\ufe00 caps ; cup
∪\ufe00 cups ; Integral int ; Int ; iiint tint ; ContourIntegral conint oint ; Conint DoubleContourIntegral ; Cconint ; cwint ; ClockwiseContourIntegral cwconint
CounterClockwiseContourIntegral awconint ; Therefore there4 therefore ; Because becaus because ; ratio ; Colon Proportion ; dotminus minusd ; ∺ mDDot ; homtht
Tilde sim thicksim thksim ; ∼\u20d2 nvsim ; backsim bsim ; ∽\u0331 race ; ac mstpos ; ∾\u0333 acE ; acd ; VerticalTilde wr wreath ; NotTilde nsim
EqualTilde eqsim esim ; ≂\u0338 NotEqualTilde nesim ; TildeEqual sime simeq ; NotTildeEqual nsime nsimeq ; TildeFullEqual cong ; simne ; NotTildeFullEqual ncong
TildeTilde ap approx asymp thickapprox thkap ; NotTildeTilde nap napprox ; ape approxeq ; apid ; ≋\u0338 napid ; backcong bcong ; CupCap asympeq ; ≍\u20d2 nvap
Bumpeq HumpDownHump bump ; ≎\u0338 NotHumpDownHump nbump ; HumpEqual bumpe bumpeq ; ≏\u0338 NotHumpEqual nbumpe ; DotEqual doteq esdot ; ≐\u0338 nedot
doteqdot eDot ; efDot fallingdotseq ; erDot risingdotseq ; Assign colone coloneq ; ecolon eqcolon ; ecir eqcirc ; circeq cire ; ≙ wedgeq ; veeeq ; ≜ triangleq trie
≟ equest questeq ; NotEqual ne ; Congruent equiv ; ≡\u20e5 bnequiv ; NotCongruent nequiv ; ≤ le leq ; ≤\u20d2 nvle ; GreaterEqual ge geq ; ≥\u20d2 nvge
LessFullEqual lE leqq ; ≦\u0338 nlE nleqq ; GreaterFullEqual gE geqq ; ≧\u0338 NotGreaterFullEqual ngE ngeqq ; lnE lneqq ; ≨\ufe00 lvertneqq lvnE ; gnE gneqq
≩\ufe00 gvertneqq gvnE ; Lt NestedLessLess ll ; ≪\u0338 NotLessLess nLtv ; ≪\u20d2 nLt ; Gt NestedGreaterGreater gg ; ≫\u0338 NotGreaterGreater nGtv ; ≫\u20d2 nGt
between twixt ; NotCupCap ; NotLess nless nlt ; NotGreater ngt ngtr ; NotLessEqual nle nleq ; NotGreaterEqual nge ngeq ; LessTilde lesssim lsim
GreaterTilde gsim gtrsim ; NotLessTilde nlsim ; NotGreaterTilde ngsim ; LessGreater lessgtr lg ; GreaterLess gl gtrless ; NotLessGreater ntlg ; NotGreaterLess ntgl
Precedes pr prec ; Succeeds sc succ ; PrecedesSlantEqual prcue preccurlyeq ; SucceedsSlantEqual sccue succcurlyeq ; PrecedesTilde precsim prsim
SucceedsTilde scsim succsim ; ≿\u0338 NotSucceedsTilde ; NotPrecedes npr nprec ; NotSucceeds nsc nsucc ; sub subset ; ⊂\u20d2 NotSubset nsubset vnsub
Superset sup supset ; ⊃\u20d2 NotSuperset nsupset vnsup ; nsub ; nsup ; SubsetEqual sube subseteq ; SupersetEqual supe supseteq ; NotSubsetEqual nsube nsubseteq
NotSupersetEqual nsupe nsupseteq ; subne subsetneq ; ⊊\ufe00 varsubsetneq vsubne ; supne supsetneq ; ⊋\ufe00 varsupsetneq vsupne ; ⊍ cupdot ; UnionPlus uplus
SquareSubset sqsub sqsubset ; ⊏\u0338 NotSquareSubset ; SquareSuperset sqsup sqsupset ; ⊐\u0338 NotSquareSuperset ; SquareSubsetEqual sqsube sqsubseteq
SquareSupersetEqual sqsupe sqsupseteq ; SquareIntersection sqcap ; ⊓\ufe00 sqcaps ; SquareUnion sqcup ; ⊔\ufe00 sqcups ; CirclePlus oplus ; CircleMinus ominus
CircleTimes otimes ; osol ; CircleDot odot ; circledcirc ocir ; circledast oast ; ⊝ circleddash odash ; boxplus plusb ; boxminus minusb ; boxtimes timesb
dotsquare sdotb ; RightTee vdash ; LeftTee dashv ; DownTee top ; UpTee bot bottom perp ; ⊧ models ; DoubleRightTee vDash ; Vdash ; Vvdash ; VDash ; nvdash ; nvDash
nVdash ; nVDash ; prurel ; ⊲ LeftTriangle vartriangleleft vltri ; RightTriangle vartriangleright vrtri ; LeftTriangleEqual ltrie trianglelefteq ; ⊴\u20d2 nvltrie
RightTriangleEqual rtrie trianglerighteq ; ⊵\u20d2 nvrtrie ; origof ; imof ; multimap mumap ; hercon ; intcal intercal ; veebar ; ⊽ barvee ; angrtvb ; lrtri
Wedge bigwedge xwedge ; Vee bigvee xvee ; Intersection bigcap xcap ; Union bigcup xcup ; Diamond diam diamond ; sdot ; Star sstarf ; divideontimes divonx ; bowtie
ltimes ; rtimes ; leftthreetimes lthree ; rightthreetimes rthree ; backsimeq bsime ; curlyvee cuvee ; curlywedge cuwed ; Sub Subset ; Sup Supset ; Cap ; Cup
fork pitchfork ; epar ; lessdot ltdot ; gtdot gtrdot ; Ll ; ⋘\u0338 nLl ; Gg ggg ; ⋙\u0338 nGg ; LessEqualGreater leg lesseqgtr ; ⋚\ufe00 lesg
GreaterEqualLess gel gtreqless ; ⋛\ufe00 gesl ; ⋞ cuepr curlyeqprec ; cuesc curlyeqsucc ; NotPrecedesSlantEqual nprcue ; NotSucceedsSlantEqual nsccue
NotSquareSubsetEqual nsqsube ; NotSquareSupersetEqual nsqsupe ; ⋦ lnsim ; gnsim ; precnsim prnsim ; scnsim succnsim ; NotLeftTriangle nltri ntriangleleft
NotRightTriangle nrtri ntriangleright ; NotLeftTriangleEqual nltrie ntrianglelefteq ; NotRightTriangleEqual nrtrie ntrianglerighteq ; vellip ; ctdot ; utdot ; dtdot
disin ; isinsv ; isins ; isindot ; ⋵\u0338 notindot ; notinvc ; notinvb ; ⋹ isinE ; ⋹\u0338 notinE ; nisd ; xnis ; nis ; notnivc ; notnivb ; ⌅ barwed barwedge
Barwed doublebarwedge ; ⌈ LeftCeiling lceil ; RightCeiling rceil ; LeftFloor lfloor ; RightFloor rfloor ; drcrop ; dlcrop ; urcrop ; ulcrop ; bnot ; ⌒ profline
profsurf ; ⌕ telrec ; target ; ⌜ ulcorn ulcorner ; urcorn urcorner ; dlcorn llcorner ; drcorn lrcorner ; ⌢ frown sfrown ; smile ssmile ; ⌭ cylcty ; profalar
⌶ topbot ; ⌽ ovbar ; ⌿ solbar ; ⍼ angzarr ; ⎰ lmoust lmoustache ; rmoust rmoustache ; ⎴ OverBracket tbrk ; UnderBracket bbrk ; bbrktbrk ; ⏜ OverParenthesis
UnderParenthesis ; OverBrace ; UnderBrace ; ⏢ trpezium ; ⏧ elinters ; ␣ blank ; Ⓢ circledS oS ; ─ HorizontalLine boxh ; │ boxv ; ┌ boxdr ; ┐ boxdl ; └ boxur
┘ boxul ; ├ boxvr ; ┤ boxvl ; ┬ boxhd ; ┴ boxhu ; ┼ boxvh ; ═ boxH ; boxV ; boxdR ; boxDr ; boxDR ; boxdL ; boxDl ; boxDL ; boxuR ; boxUr ; boxUR ; boxuL ; boxUl
boxUL ; boxvR ; boxVr ; boxVR ; boxvL ; boxVl ; boxVL ; boxHd ; boxhD ; boxHD ; boxHu ; boxhU ; boxHU ; boxvH ; boxVh ; boxVH ; ▀ uhblk ; ▄ lhblk ; █ block ; ░ blk14
blk12 ; blk34 ; □ Square squ square ; ▪ FilledVerySmallSquare blacksquare squarf squf ; EmptyVerySmallSquare ; ▭ rect ; marker ; ▱ fltns ; △ bigtriangleup xutri
blacktriangle utrif ; triangle utri ; ▸ blacktriangleright rtrif ; rtri triangleright ; ▽ bigtriangledown xdtri ; blacktriangledown dtrif ; dtri triangledown
◂ blacktriangleleft ltrif ; ltri triangleleft ; ◊ loz lozenge ; cir ; ◬ tridot ; ◯ bigcirc xcirc ; ◸ ultri ; urtri ; lltri ; EmptySmallSquare ; FilledSmallSquare
★ bigstar starf ; star ; ☎ phone ; ♀ female ; ♂ male ; ♠ spades spadesuit ; ♣ clubs clubsuit ; ♥ hearts heartsuit ; diamondsuit diams ; ♪ sung ; ♭ flat
natur natural ; sharp ; ✓ check checkmark ; ✗ cross ; ✠ malt maltese ; ✶ sext ; ❘ VerticalSeparator ; ❲ lbbrk ; rbbrk ; ⟈ bsolhsub ; suphsol
⟦ LeftDoubleBracket lobrk ; RightDoubleBracket robrk ; LeftAngleBracket lang langle ; RightAngleBracket rang rangle ; Lang ; Rang ; loang ; roang
⟵ LongLeftArrow longleftarrow xlarr ; LongRightArrow longrightarrow xrarr ; LongLeftRightArrow longleftrightarrow xharr ; DoubleLongLeftArrow Longleftarrow xlArr
DoubleLongRightArrow Longrightarrow xrArr ; DoubleLongLeftRightArrow Longleftrightarrow xhArr ; ⟼ longmapsto xmap ; ⟿ dzigrarr ; ⤂ nvlArr ; nvrArr ; nvHarr ; Map
⤌ lbarr ; bkarow rbarr ; lBarr ; dbkarow rBarr ; RBarr drbkarow ; DDotrahd ; UpArrowBar ; DownArrowBar ; ⤖ Rarrtl ; ⤙ latail ; ratail ; lAtail ; rAtail ; larrfs
rarrfs ; larrbfs ; rarrbfs ; ⤣ nwarhk ; nearhk ; hksearow searhk ; hkswarow swarhk ; nwnear ; nesear toea ; seswar tosa ; swnwar ; ⤳ rarrc ; ⤳\u0338 nrarrc
⤵ cudarrr ; ldca ; rdca ; cudarrl ; larrpl ; ⤼ curarrm ; cularrp ; ⥅ rarrpl ; ⥈ harrcir ; Uarrocir ; lurdshar ; ldrushar ; ⥎ LeftRightVector ; RightUpDownVector
DownLeftRightVector ; LeftUpDownVector ; LeftVectorBar ; RightVectorBar ; RightUpVectorBar ; RightDownVectorBar ; DownLeftVectorBar ; DownRightVectorBar
LeftUpVectorBar ; LeftDownVectorBar ; LeftTeeVector ; RightTeeVector ; RightUpTeeVector ; RightDownTeeVector ; DownLeftTeeVector ; DownRightTeeVector
LeftUpTeeVector ; LeftDownTeeVector ; lHar ; uHar ; rHar ; dHar ; luruhar ; ldrdhar ; ruluhar ; rdldhar ; lharul ; llhard ; rharul ; lrhard ; UpEquilibrium udhar
ReverseUpEquilibrium duhar ; RoundImplies ; erarr ; simrarr ; larrsim ; rarrsim ; rarrap ; ltlarr ; ⥸ gtrarr ; subrarr ; ⥻ suplarr ; lfisht ; rfisht ; ufisht
dfisht ; ⦅ lopar ; ropar ; ⦋ lbrke ; rbrke ; lbrkslu ; rbrksld ; lbrksld ; rbrkslu ; langd ; rangd ; lparlt ; rpargt ; gtlPar ; ltrPar ; ⦚ vzigzag ; ⦜ vangrt
angrtvbd ; ⦤ ange ; range ; dwangle ; uwangle ; angmsdaa ; angmsdab ; angmsdac ; angmsdad ; angmsdae ; angmsdaf ; angmsdag ; angmsdah ; bemptyv ; demptyv ; cemptyv
raemptyv ; laemptyv ; ohbar ; omid ; opar ; ⦹ operp ; ⦻ olcross ; odsold ; ⦾ olcir ; ofcir ; olt ; ogt ; cirscir ; cirE ; solb ; bsolb ; ⧉ boxbox ; ⧍ trisb
rtriltri ; LeftTriangleBar ; ⧏\u0338 NotLeftTriangleBar ; RightTriangleBar ; ⧐\u0338 NotRightTriangleBar ; ⧜ iinfin ; infintie ; nvinfin ; ⧣ eparsl ; smeparsl
eqvparsl ; ⧫ blacklozenge lozf ; ⧴ RuleDelayed ; ⧶ dsol ; ⨀ bigodot xodot ; bigoplus xoplus ; bigotimes xotime ; ⨄ biguplus xuplus ; ⨆ bigsqcup xsqcup
⨌ iiiint qint ; fpartint ; ⨐ cirfnint ; awint ; rppolint ; scpolint ; npolint ; pointint ; quatint ; intlarhk ; ⨢ pluscir ; plusacir ; simplus ; plusdu ; plussim
plustwo ; ⨩ mcomma ; minusdu ; ⨭ loplus ; roplus ; Cross ; timesd ; timesbar ; ⨳ smashp ; lotimes ; rotimes ; otimesas ; Otimes ; odiv ; triplus ; triminus ; tritime
intprod iprod ; ⨿ amalg ; capdot ; ⩂ ncup ; ncap ; capand ; cupor ; cupcap ; capcup ; cupbrcap ; capbrcup ; cupcup ; capcap ; ccups ; ccaps ; ⩐ ccupssm ; ⩓ And ; Or
andand ; oror ; orslope ; andslope ; ⩚ andv ; orv ; andd ; ord ; ⩟ wedbar ; ⩦ sdote ; ⩪ simdot ; ⩭ congdot ; ⩭\u0338 ncongdot ; easter ; apacir ; apE ; ⩰\u0338 napE
eplus ; pluse ; Esim ; Colone ; Equal ; ⩷ ddotseq eDDot ; equivDD ; ltcir ; gtcir ; ltquest ; gtquest ; LessSlantEqual leqslant les
⩽\u0338 NotLessSlantEqual nleqslant nles ; GreaterSlantEqual geqslant ges ; ⩾\u0338 NotGreaterSlantEqual ngeqslant nges ; lesdot ; gesdot ; lesdoto ; gesdoto
lesdotor ; gesdotol ; lap lessapprox ; gap gtrapprox ; lne lneq ; gne gneq ; lnap lnapprox ; gnap gnapprox ; lEg lesseqqgtr ; gEl gtreqqless ; lsime ; gsime ; lsimg
gsiml ; lgE ; glE ; lesges ; gesles ; els eqslantless ; egs eqslantgtr ; elsdot ; egsdot ; el ; eg ; ⪝ siml ; simg ; simlE ; simgE ; LessLess
⪡\u0338 NotNestedLessLess ; GreaterGreater ; ⪢\u0338 NotNestedGreaterGreater ; ⪤ glj ; gla ; ltcc ; gtcc ; lescc ; gescc ; smt ; lat ; smte ; ⪬\ufe00 smtes ; late
⪭\ufe00 lates ; bumpE ; PrecedesEqual pre preceq ; ⪯\u0338 NotPrecedesEqual npre npreceq ; SucceedsEqual sce succeq ; ⪰\u0338 NotSucceedsEqual nsce nsucceq ; ⪳ prE
scE ; precneqq prnE ; scnE succneqq ; prap precapprox ; scap succapprox ; precnapprox prnap ; scnap succnapprox ; Pr ; Sc ; subdot ; supdot ; subplus ; supplus
submult ; supmult ; subedot ; supedot ; subE subseteqq ; ⫅\u0338 nsubE nsubseteqq ; supE supseteqq ; ⫆\u0338 nsupE nsupseteqq ; subsim ; supsim ; ⫋ subnE subsetneqq
⫋\ufe00 varsubsetneqq vsubnE ; supnE supsetneqq ; ⫌\ufe00 varsupsetneqq vsupnE ; ⫏ csub ; csup ; csube ; csupe ; subsup ; supsub ; subsub ; supsup ; suphsub
supdsub ; forkv ; topfork ; mlcp ; ⫤ Dashv DoubleLeftTee ; ⫦ Vdashl ; Barv ; vBar ; vBarv ; ⫫ Vbar ; Not ; bNot ; rnmid ; cirmid ; midcir ; topcir ; nhpar ; parsim
⫽ parsl ; ⫽\u20e5 nparsl ; ﬀ fflig ; filig ; fllig ; ffilig ; ffllig ; 𝒜 Ascr ; 𝒞 Cscr ; Dscr ; 𝒢 Gscr ; 𝒥 Jscr ; Kscr ; 𝒩 Nscr ; Oscr ; Pscr ; Qscr ; 𝒮 Sscr
Tscr ; Uscr ; Vscr ; Wscr ; Xscr ; Yscr ; Zscr ; ascr ; bscr ; cscr ; dscr ; 𝒻 fscr ; 𝒽 hscr ; iscr ; jscr ; kscr ; lscr ; mscr ; nscr ; 𝓅 pscr ; qscr ; rscr
sscr ; tscr ; uscr ; vscr ; wscr ; xscr ; yscr ; zscr ; 𝔄 Afr ; Bfr ; 𝔇 Dfr ; Efr ; Ffr ; Gfr ; 𝔍 Jfr ; Kfr ; Lfr ; Mfr ; Nfr ; Ofr ; Pfr ; Qfr ; 𝔖 Sfr ; Tfr
Ufr ; Vfr ; Wfr ; Xfr ; Yfr ; 𝔞 afr ; bfr ; cfr ; dfr ; efr ; ffr ; gfr ; hfr ; ifr ; jfr ; kfr ; lfr ; mfr ; nfr ; ofr ; pfr ; qfr ; rfr ; sfr ; tfr ; ufr ; vfr
wfr ; xfr ; yfr ; zfr ; Aopf ; Bopf ; 𝔻 Dopf ; Eopf ; Fopf ; Gopf ; 𝕀 Iopf ; Jopf ; Kopf ; Lopf ; Mopf ; 𝕆 Oopf ; 𝕊 Sopf ; Topf ; Uopf ; Vopf ; Wopf ; Xopf
Yopf ; 𝕒 aopf ; bopf ; copf ; dopf ; eopf ; fopf ; gopf ; hopf ; iopf ; jopf ; kopf ; lopf ; mopf ; nopf ; oopf ; popf ; qopf ; ropf ; sopf ; topf ; uopf ; vopf
wopf ; xopf ; yopf ; zopf
`;

/** @type {Map<string, string> | undefined} */
let characters;

/** The character of a name, or undefined. @param {string} name */
export function characterOf(name) {
  characters ??= readTable();
  return characters.get(name);
}

function readTable() {
  /** @type {Map<string, string>} */
  const found = new Map();
  let character = '';
  for (const entry of TABLE.trim().split(/ ; |\n/)) {
    const words = entry.split(' ');
    // A name has two letters at least, or a letter and a digit.
    const typed = /^[A-Za-z]\w+$/.test(words[0] ?? '') ? undefined : words.shift();
    character =
      typed?.replace(/\\u(\w{4})/g, (_, code) => String.fromCodePoint(parseInt(code, 16))) ??
      String.fromCodePoint((character.codePointAt(0) ?? 0) + 1);
    for (const name of words) found.set(name, character);
  }
  return found;
}
